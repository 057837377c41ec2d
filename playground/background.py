"""The services and the shop in the background: what `make up` starts and `make down` stops.

One process, `serve`, holds everything; whether it runs is a lock on a file that it holds, which
cannot be confused with another process of the same number.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from playground.services import SHOP_DATABASE, ServiceError, Services
from playground.services.postgres import autocommit_cursor
from playground.services.process import Process

READY = "ready"


class Background:
    """The background process whose data is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment_file = directory / "environment"
        self.log = directory / "logs" / "playground.log"
        self._lock = directory / "lock"

    @property
    def running(self) -> bool:
        """Whether the process lives, wherever it was started."""
        if not self._lock.exists():
            return False
        with self._lock.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def up(self, rate: int, *, by_hand: bool) -> Iterator[str]:
        """Start the process, and yield what it reports until it is ready.

        Raises:
            ServiceError: it ended before it was ready; shows its last words.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "playground", "serve"),
                    *("--directory", str(self.directory), "--rate", str(rate)),
                    *(["--by-hand"] if by_hand else []),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with self.log.open(encoding="utf-8") as lines:
                yield from _follow(lines, process)
        except BaseException:
            process.terminate()
            process.wait()
            raise

    def down(self) -> None:
        """Stop the process and wait for its end.

        Raises:
            ServiceError: it has not ended within a minute.
        """
        if not self.running:
            return
        pid = int(self._lock.read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while self.running:
            if time.monotonic() > deadline:
                raise ServiceError(f"process {pid} does not end; its log is {self.log}")
            time.sleep(0.1)

    def services(self) -> Iterator[tuple[str, str, Path]]:
        """Name, address and log of each service, as its environment file has them."""
        lines = self.environment_file.read_text(encoding="utf-8").splitlines()
        variables = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        for name, variable, log in (
            ("PostgreSQL", "LAKEHOUSE_SOURCE_DSN", "postgres.log"),
            ("Kafka", "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", "kafka.log"),
            ("Kafka Connect", "LAKEHOUSE_KAFKA_CONNECT_URL", "connect.log"),
        ):
            yield name, variables[variable].strip("'"), self.log.with_name(log)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the process: hold the lock for as long as the body runs.

        Raises:
            ServiceError: another one holds it.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ServiceError("the playground is up already") from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield
            finally:
                self.environment_file.unlink(missing_ok=True)


def serve(background: Background, rate: int, *, by_hand: bool) -> None:
    """Run the services and the shop, at `rate` row changes a second, until the process is ended.

    Landing and builds run beside them, unless somebody does that `by_hand`.

    Raises:
        ServiceError: a server did not start, or ended by itself.
    """
    from playground.shop import schema
    from playground.shop.simulator import Shop

    with background.held(), Services(background.directory, report=_say) as services:
        dsn = services.postgres.create_database(SHOP_DATABASE)
        schema.create(dsn)
        with Shop(dsn, seed=_seed(), started_at=_now()) as shop:
            if _is_empty(dsn):
                shop.seed()
                _say("the shop is open: customers, products and a year of orders")
            services.capture(dsn).start()
            _say("Debezium has read what there was, and streams")
            _write_environment(background.environment_file, services.environment())
            with _pipeline(background, services, by_hand=by_hand) as pipeline:
                _say(READY)
                while True:
                    begun = time.monotonic()
                    services.raise_if_ended()
                    for process in pipeline:
                        process.raise_if_ended()
                    shop.round(rate, at=_now())
                    time.sleep(max(0.0, begun + 1 - time.monotonic()))


@contextmanager
def _pipeline(
    background: Background, services: Services, *, by_hand: bool
) -> Iterator[list[Process]]:
    """`lakehouse land` and `lakehouse run`, for as long as the body runs."""
    if by_hand:
        yield []
        return
    os.environ.update(services.environment())
    lakehouse = str(Path(sys.executable).with_name("lakehouse"))
    pipeline = [
        Process(
            f"lakehouse {command}",
            [lakehouse, command, *options],
            log=background.log.with_name(f"{command}.log"),
            grace_seconds=60,
        )
        for command, *options in (("land", "--interval", "1"), ("run",))
    ]
    try:
        for process in pipeline:
            process.start()
        _say("lakehouse land and lakehouse run follow: the first build takes half a minute")
        yield pipeline
    finally:
        for process in pipeline:
            process.ask_to_stop()
        for process in pipeline:
            process.stop()


def _follow(lines: IO[str], process: subprocess.Popen[bytes]) -> Iterator[str]:
    said: list[str] = []
    while True:
        line = lines.readline().rstrip("\n")
        if line == READY:
            return
        if line:
            said.append(line)
            yield line
        elif process.poll() is not None:
            raise ServiceError("the playground did not start:\n" + "\n".join(said[-30:]))
        else:
            time.sleep(0.1)


def _write_environment(path: Path, variables: dict[str, str]) -> None:
    """Lines for `source`; for its owner only, because the database's password is among them."""
    path.touch(mode=0o600)
    lines = [f"export {name}='{value}'" for name, value in variables.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _is_empty(dsn: str) -> bool:
    with autocommit_cursor(dsn) as database:
        database.execute("select not exists (select from public.customers)")
        return database.fetchone() == (True,)


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _seed() -> int:
    """Another one each time: the same would repeat what the shop did after the last start."""
    return time.time_ns() // 1_000_000


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
