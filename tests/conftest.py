"""Fixtures for all tests: real servers, started once and only when a test asks for them."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ingestion.declarations import Declarations, load
from lakehouse.cli import main
from playground.services import Services
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from redshift_standin.server import StandIn
from tests.kit.command_line import CommandLine
from tests.kit.declared import with_topic_prefix

# The same examples each time: what does not land should be the fault of what has changed. The long
# tests look further.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """Runs `lakehouse` in this process as a shell would."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lakehouse", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="session")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """All servers, none of them started."""
    servers = Services(tmp_path_factory.mktemp("services"))
    yield servers
    servers.stop()
    shutil.rmtree(servers.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(_servers: Services) -> KafkaBroker:
    """The session's broker, nothing else. A test that kills or stops it restarts it."""
    broker = _servers.kafka
    if not broker.process.running:
        broker.start()
        broker.wait_until_ready()
    return broker


@pytest.fixture(scope="session")
def services(_servers: Services) -> Services:
    """PostgreSQL, the same broker, Kafka Connect."""
    _servers.start()
    return _servers


@pytest.fixture
def clean_broker(kafka: KafkaBroker) -> Iterator[KafkaBroker]:
    """The broker without any topic, before and after the test, which may use the declared names."""
    kafka.delete_all_topics()
    yield kafka
    kafka.delete_all_topics()


@pytest.fixture
def database(services: Services) -> Iterator[str]:
    """The connection string of an empty database of the test's own."""
    name = f"test_{secrets.token_hex(4)}"
    yield services.postgres.create_database(name)
    services.postgres.drop_database(name)


@pytest.fixture
def own_declarations() -> Declarations:
    """The project's declarations, with topic names that no other test uses."""
    return with_topic_prefix(load(), f"test{secrets.token_hex(4)}")


@pytest.fixture(scope="session")
def redshift_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The PostgreSQL behind the stand-ins: their roles are the server's, so it is theirs alone."""
    folder = tmp_path_factory.mktemp("redshift")
    server = PostgresServer(folder / "postgres", folder / "postgres.log")
    server.start()
    server.wait_until_ready()
    yield server
    server.process.stop()


@pytest.fixture
def stand_in(redshift_postgres: PostgresServer, tmp_path: Path) -> Iterator[StandIn]:
    """An empty Redshift; its bucket `lake` is a folder of the test."""
    with StandIn(redshift_postgres, {"lake": tmp_path}) as opened:
        yield opened
