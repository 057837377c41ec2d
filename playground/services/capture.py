"""Debezium's PostgreSQL connector, as the project configures it, on a playground's database."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ingestion.declarations import Declarations
from lakehouse.source.connectors import PSEUDONYMS, render
from playground.services.connect import ConnectorStatus, ConnectWorker
from playground.services.errors import ServiceError
from playground.services.postgres import autocommit_cursor, drop_slot

# The playground's data is made up: equal pseudonyms in every run are worth more than a secret.
SALT = "the-playground-has-no-secrets"


class Capture:
    """The connector that captures one database; the topics must exist before it starts.

    With `snapshot_of` it is the one beside it that reads the rows of these tables once.
    """

    def __init__(
        self,
        worker: ConnectWorker,
        *,
        dsn: str,
        bootstrap_servers: str,
        declarations: Declarations,
        snapshot_of: Sequence[str] = (),
    ) -> None:
        place = urlsplit(dsn)
        database = place.path.removeprefix("/")
        prefix = declarations.connectors["postgresql"].topic_prefix
        self.name = f"{prefix}-{database}" + ("-snapshot" if snapshot_of else "")
        self._worker = worker
        self._dsn = dsn
        # Slots belong to the whole server, and there may be several databases in it.
        self._slot = "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())
        self.settings = render(
            declarations,
            "postgresql",
            bootstrap_servers=bootstrap_servers,
            auth="none",
            snapshot_of=snapshot_of,
        ) | {
            f"{PSEUDONYMS}.salt.secret": worker.keep_secret("pii-salt", SALT),
            "database.hostname": str(place.hostname),
            "database.port": str(place.port),
            "database.user": str(place.username),
            "database.password": str(place.password),
            "database.dbname": database,
            "database.sslmode": "disable",
            "slot.name": self._slot,
            "publication.name": self._slot,
        }

    def create(self) -> None:
        """Create the connector, or the same one again after the worker has been restarted."""
        self._worker.create(self.name, self.settings)

    def start(self, *, seconds: float = 120) -> None:
        """Create the connector, and return when the initial snapshot is complete."""
        self.create()
        self.wait_until_streaming(seconds=seconds)

    def wait_until_snapshotting(self, *, seconds: float = 120) -> None:
        """Return when the slot is made: a transaction opened from now on is open over the snapshot.

        Making a slot waits for every transaction that is open before.

        Raises:
            ServiceError: the connector failed, with its error, or `seconds` passed.
        """
        self._wait(self._has_slot, "has made no replication slot", seconds)

    def wait_until_streaming(self, *, seconds: float = 120) -> None:
        """Return when the initial snapshot is complete and changes are streamed.

        Raises:
            ServiceError: the connector failed, with its error, or `seconds` passed.
        """
        self._wait(self._streaming, "does not stream", seconds)

    def wait_until_delivered(self, *, seconds: float = 120) -> None:
        """Return when everything committed in the database before the call is in Kafka.

        The worker's own position knows it: it passes a record once Kafka has acknowledged that one
        and all before it. What the slot has confirmed may be ahead: Debezium takes it from the
        record that was acknowledged last, whatever is still on its way to other partitions.

        Raises:
            ServiceError: the connector failed, with its error, or `seconds` passed.
        """
        with autocommit_cursor(self._dsn) as database:
            message = "select pg_logical_emit_message(true, 'playground', 'delivered?') - '0/0'"
            database.execute(message)
            [(target,)] = database.fetchall()
            # The position only moves with a transaction that Debezium is shown.
            database.execute(message)

            def delivered() -> bool:
                return any(
                    position.get("lsn_proc", 0) >= target
                    for position in self._worker.positions(self.name)
                )

            self._wait(delivered, "has not delivered all changes", seconds)

    def status(self) -> ConnectorStatus:
        """What the connector and its task do; `trace` holds the error of a failed one."""
        return self._worker.status(self.name)

    def pause(self) -> None:
        """Stop to read, keep the connection to the database; `resume` undoes it."""
        self._worker.pause(self.name)

    def stop(self) -> None:
        """End the task and its connections; settings and position stay; `resume` undoes it."""
        self._worker.stop(self.name)

    def resume(self) -> None:
        """Go on after `pause` or `stop`."""
        self._worker.resume(self.name)

    def restart(self) -> None:
        """Restart the connector and its task, as one does after a failure."""
        self._worker.restart_connector(self.name)

    def delete(self) -> None:
        """Remove the connector with its replication slot; the publication stays."""
        self._worker.delete(self.name)
        with autocommit_cursor(self._dsn) as database:
            drop_slot(database, self._slot)

    def delete_with_position(self) -> None:
        """As `delete`, as if the source had not kept its log: the next start takes a snapshot."""
        self.stop()
        self._wait(lambda: self.status().state == "STOPPED", "does not stop", 30)
        self._worker.forget(self.name)
        self.delete()

    def _has_slot(self) -> bool:
        with autocommit_cursor(self._dsn) as database:
            database.execute(
                "select confirmed_flush_lsn is not null from pg_replication_slots"
                " where slot_name = %s",
                (self._slot,),
            )
            return database.fetchone() == (True,)

    def _streaming(self) -> bool:
        with autocommit_cursor(self._dsn) as database:
            # The slot is active in the snapshot too, for as long as it is being created.
            database.execute(
                "select true from pg_replication_slots as slot"
                " inner join pg_stat_replication as sender on sender.pid = slot.active_pid"
                " where slot.slot_name = %s and sender.state = 'streaming'",
                (self._slot,),
            )
            return database.fetchone() is not None

    def _wait(self, reached: Callable[[], bool], otherwise: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            self._worker.raise_if_failed(self.name)
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"connector {self.name} {otherwise} after {seconds:.0f} s; {self.status()}; "
                    f"its log is {self._log}"
                )
            time.sleep(0.1)

    @property
    def _log(self) -> Path:
        return self._worker.process.log
