"""The stand-in and a broker, one each for all tests of this folder, and a lake for each test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer
from tests.redshift.events import Changes
from tests.redshift.lake import Lake
from tests.redshift.standin.server import StandIn
from tests.redshift.warehouse import Dbt, Prod, local, redshift_settings


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


@dataclass(frozen=True)
class World:
    """One source with both targets: its topics and landing zone, target prod, target local."""

    connector: ConnectorName
    lake: Lake
    changes: Changes
    prod: Prod
    local: Dbt
    local_file: Path


@pytest.fixture(params=["sqlserver"])
def connector(request: pytest.FixtureRequest) -> ConnectorName:
    """Whose envelopes the topics hold; a test asks for others by indirect parameters."""
    name: ConnectorName = request.param
    return name


@pytest.fixture
def world(
    stand_in: StandIn, clean_broker: KafkaBroker, tmp_path: Path, connector: ConnectorName
) -> World:
    """An empty source, an empty Redshift, an empty local warehouse."""
    return new_world(stand_in, clean_broker, tmp_path, connector)


def new_world(
    stand_in: StandIn, broker: KafkaBroker, folder: Path, connector: ConnectorName
) -> World:
    """An empty source on `broker`, an empty local warehouse, and `stand_in` as it is."""
    declarations = load()
    lake = Lake(folder / "landing", broker.bootstrap_servers, declarations, connector)
    settings = redshift_settings(stand_in, broker.bootstrap_servers) | {
        "LAKEHOUSE_LANDING": "s3://lake/landing",
        "LAKEHOUSE_SOURCE": connector,
    }
    here, file = local(lake.root, folder / "local", connector)
    return World(
        connector=connector,
        lake=lake,
        changes=Changes(declarations, connector, seed=20),
        prod=Prod(stand_in, Dbt("prod", settings, folder / "prod")),
        local=here,
        local_file=file,
    )
