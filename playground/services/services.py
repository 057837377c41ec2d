"""PostgreSQL, Kafka and Kafka Connect together: started at once, stopped in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ingestion.declarations import Declarations, load
from ingestion.settings import ConnectorName, Settings
from lakehouse.kafka.admin import Topics, apply
from lakehouse.kafka.topics import desired_topics
from playground.services.capture import SALT, Capture
from playground.services.connect import ConnectWorker
from playground.services.errors import ServiceError
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer

SHOP_DATABASE = "shop"
Server = TypeVar("Server", PostgresServer, KafkaBroker, ConnectWorker)


class Services:
    """The servers that the arguments select, with data and logs in `directory`.

    A context manager: entering starts them in parallel and waits until each answers; leaving stops
    them. What a server holds stays in `directory`, and the next start goes on with it. `report` is
    told in a sentence what has been reached.
    """

    def __init__(
        self,
        directory: Path,
        *,
        postgres: bool = True,
        kafka: bool = True,
        connect: bool = True,
        report: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.directory = directory.absolute()
        self.logs = self.directory / "logs"
        self._report = report
        self._postgres = (
            PostgresServer(self.directory / "postgres", self.logs / "postgres.log")
            if postgres
            else None
        )
        self._kafka = (
            KafkaBroker(self.directory / "kafka", self.logs / "kafka.log")
            if kafka or connect
            else None
        )
        self._connect = (
            ConnectWorker(
                self.directory / "connect",
                self.logs / "connect.log",
                bootstrap_servers=self.bootstrap_servers,
            )
            if connect
            else None
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all servers that do not run yet, at once; returns when each answers.

        Raises:
            ServiceError: one of them does not; names its log and shows the end of it.
        """
        selected = (self._postgres, self._kafka, self._connect)
        servers = [server for server in selected if server and not server.process.running]
        with ThreadPoolExecutor(max_workers=len(selected)) as threads:
            starts = [threads.submit(self._start, server) for server in servers]
            _, waiting = wait(starts, return_when=FIRST_EXCEPTION)
            failed = next((start for start in starts if start.done() and start.exception()), None)
            while waiting:
                # One has failed, and the others would go on to wait for it.
                for server in servers:
                    server.process.kill()
                _, waiting = wait(waiting, timeout=0.1)
            if failed:
                failed.result()

    def stop(self) -> None:
        """Stop all servers; Kafka Connect first, because it writes to the others."""
        if self._connect is not None:
            self._connect.process.stop()
        others = [server.process for server in (self._postgres, self._kafka) if server is not None]
        for process in others:
            process.ask_to_stop()
        for process in others:
            process.stop()

    def raise_if_ended(self) -> None:
        """Raise ServiceError when a server that was started has ended by itself."""
        for server in (self._postgres, self._kafka, self._connect):
            if server is not None:
                server.process.raise_if_ended()

    @property
    def postgres(self) -> PostgresServer:
        """The database server."""
        return _selected(self._postgres, "postgres")

    @property
    def kafka(self) -> KafkaBroker:
        """The broker: `stop`, `kill`, `restart`."""
        return _selected(self._kafka, "kafka")

    @property
    def connect(self) -> ConnectWorker:
        """The Kafka Connect worker: `kill`, `restart`, its connectors."""
        return _selected(self._connect, "connect")

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka's clients connect."""
        return self.kafka.bootstrap_servers

    @property
    def postgres_dsn(self) -> str:
        """Connection string of the superuser to the shop's database, which must have been made."""
        return self.postgres.dsn(SHOP_DATABASE)

    @property
    def settings(self) -> Settings:
        """The project's settings for these servers; everything else as the environment says."""
        return Settings.from_environment(os.environ | self.environment())

    def environment(self) -> dict[str, str]:
        """The variables that point the project's programs at these servers."""
        variables = {"LAKEHOUSE_SOURCE": "postgresql", "LAKEHOUSE_PII_SALT": SALT}
        if self._kafka is not None:
            variables |= self._kafka.environment()
        if self._connect is not None:
            variables["LAKEHOUSE_KAFKA_CONNECT_URL"] = self._connect.url
        if self._postgres is not None:
            variables["LAKEHOUSE_SOURCE_DSN"] = self.postgres_dsn
        return variables

    def create_topics(
        self, connector: ConnectorName = "postgresql", declarations: Declarations | None = None
    ) -> None:
        """Create the topics of `connector` as `lakehouse topics apply` does."""
        apply(
            Topics(self.settings),
            desired_topics(declarations or load(), connector),
            replication_factor=1,
        )

    def capture(
        self,
        dsn: str,
        declarations: Declarations | None = None,
        snapshot_of: Sequence[str] = (),
    ) -> Capture:
        """The project's connector for the database `dsn`, not yet created; makes its topics."""
        declared = declarations or load()
        self.create_topics("postgresql", declared)
        return Capture(
            self.connect,
            dsn=dsn,
            bootstrap_servers=self.bootstrap_servers,
            declarations=declared,
            snapshot_of=snapshot_of,
        )

    def _start(self, server: PostgresServer | KafkaBroker | ConnectWorker) -> None:
        began = time.monotonic()
        server.start()
        server.wait_until_ready()
        self._report(f"{server.process.name} is up after {time.monotonic() - began:.1f} s")


def _selected(server: Server | None, name: str) -> Server:
    if server is None:
        raise ServiceError(f"these services run without {name}")
    return server
