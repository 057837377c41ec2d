"""A lake and both targets for each test, on the run's stand-in and broker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from playground.services.kafka import KafkaBroker
from redshift_standin.server import StandIn
from tests.kit.dbt import ROOT
from tests.kit.redshift import Prod, new_prod
from tests.kit.warehouse import Warehouse
from tests.redshift.events import Changes
from tests.redshift.lake import Lake


@dataclass(frozen=True)
class World:
    """One source with both targets: its topics and landing zone, target prod, target local."""

    connector: ConnectorName
    lake: Lake
    changes: Changes
    prod: Prod
    local: Warehouse


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
    local = Warehouse(ROOT, lake.root, folder / "local/warehouse.duckdb", connector)
    return World(
        connector=connector,
        lake=lake,
        changes=Changes(declarations, connector, seed=20),
        prod=new_prod(stand_in, broker.bootstrap_servers, folder, connector),
        local=local.parsed(),
    )
