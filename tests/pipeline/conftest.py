"""One pass through the real chain, which the tests of this folder look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingestion.declarations import load
from playground.services import Services
from playground.services.capture import SALT
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop
from playground.shop.stress import Stress
from tests.kit.dbt import ROOT
from tests.kit.warehouse import Warehouse
from tests.pipeline.chain import Chain

_SCALE = Scale(customers=300, orders=400, products=120, categories=12)
_ROUNDS = 3
_CHANGES = 1_500


@dataclass(frozen=True)
class Passed:
    """The chain after its last round, and the shop's database."""

    chain: Chain
    dsn: str


@pytest.fixture(scope="package")
def passed(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Passed]:
    """PostgreSQL, Debezium, Kafka, landing and dbt: a snapshot, then rounds built one by one.

    The same activity is on SQL Server's topics, with its own snapshot at the same moment.
    """
    services.kafka.delete_all_topics()
    dsn = services.postgres.create_database("pipeline")
    folder = tmp_path_factory.mktemp("pipeline")
    settings = {**services.environment(), "LAKEHOUSE_SOURCE_DSN": dsn, "LAKEHOUSE_PII_SALT": SALT}
    chain = Chain(folder, settings, folder / "warehouse.duckdb")
    for connector in load().connectors:
        services.create_topics(connector)
    schema.create(dsn)
    with Shop(dsn, seed=7, scale=_SCALE, market=Stress()) as shop:
        shop.seed()
        capture = services.capture(dsn, load())
        capture.create()
        capture.wait_until_snapshotting()
        with shop.transaction_left_open():
            capture.wait_until_streaming()
            chain.write_sqlserver_events()
        for _ in range(_ROUNDS):
            shop.round(changes=_CHANGES)
            capture.wait_until_delivered()
            chain.land()
            chain.build()
        chain.write_sqlserver_events()
    yield Passed(chain, dsn)
    capture.delete()
    services.postgres.drop_database("pipeline")
    services.kafka.delete_all_topics()


@pytest.fixture
def copied_warehouse(passed: Passed, tmp_path: Path) -> Path:
    """The chain's warehouse in a file that a test may change."""
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes(passed.chain.warehouse.read_bytes())
    return copy


@pytest.fixture(scope="package")
def parsed(passed: Passed) -> Warehouse:
    """The chain's warehouse with the project as dbt has parsed it."""
    chain = passed.chain
    return Warehouse(ROOT, chain.folder / "landing", chain.warehouse, "postgresql").parsed()


@pytest.fixture
def warehouse(copied_warehouse: Path, parsed: Warehouse) -> Warehouse:
    """The same, on a file that a test may change."""
    return replace(parsed, file=copied_warehouse)
