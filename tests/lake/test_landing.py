"""How the lake reads the landing zone: by its ledger, rolled up or not, and not without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kit.corpus.cases import load
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.warehouse import Warehouse, copy_project
from tests.lake.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CUSTOMERS = DECLARATIONS.table("customers")
LOG = ("--select", "customers__log")


@pytest.fixture
def landing(tmp_path: Path) -> LandingZone:
    return LandingZone(tmp_path / "landing", DECLARATIONS, "postgresql")


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, landing: LandingZone) -> Lake:
    project = copy_project(tmp_path / "project", {"retail": 1})
    warehouse = Warehouse(project, landing.root, tmp_path / "warehouse.duckdb", "postgresql")
    return Lake(spark, warehouse, f"landing_{tmp_path.name}")


def land(zone: LandingZone, count: int, partition: int) -> None:
    cases = [case for case in load() if (case.connector, case.table) == ("postgresql", "customers")]
    deliveries = [Delivery(c.key, c.value, partition, timestamp_ms=0) for c in cases[:count]]
    zone.land(CUSTOMERS, deliveries)


def test_a_ledger_that_is_rolled_up_says_as_much(landing: LandingZone, lake: Lake) -> None:
    ledger = landing.root / "_ledger"
    for partition in (0, 1, 0):
        land(landing, 2 + partition, partition)
    first, second, _third = sorted(ledger.glob("*.jsonl"))
    (ledger / "rolled").mkdir()
    (ledger / "rolled" / first.name).write_bytes(first.read_bytes())
    # the second commit is not removed yet, of which the roll-up has all
    (ledger / "rolled" / second.name).write_bytes(first.read_bytes() + second.read_bytes())
    first.unlink()

    lake.dbt.build(*LOG)
    lake.beside.build(*LOG)
    columns = "incarnation, kafka_partition, from_offset, until_offset, row_count, kind, file"
    told = lake.beside.rows(f"select {columns} from operations.ledger order by file")
    assert lake.rows(f"select {columns} from operations__ledger order by file") == told
    assert len(told) == 3
    [(read,)] = lake.rows("select count(*) from staging__customers__log")
    assert read == 2 + 3 + 2


def test_of_a_topic_without_records_the_log_is_empty(landing: LandingZone, lake: Lake) -> None:
    """Also where no topic has had a record, and so there is no ledger."""
    lake.dbt.build(*LOG)
    assert lake.rows("select * from staging__customers__log") == []
    land(landing, 2, partition=0)
    lake.dbt.build(*LOG)
    assert lake.rows("select count(*) from staging__customers__log") == [(2,)]


def without_a_ledger(landing: LandingZone) -> None:
    for commit in (landing.root / "_ledger").iterdir():
        commit.unlink()


def without_a_file(landing: LandingZone) -> None:
    for file in landing.root.glob("customers/**/*.parquet"):
        file.unlink()


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        (without_a_ledger, "has files but no ledger"),
        (without_a_file, "nothing of customers is in the landing zone"),
    ],
)
def test_what_is_missing_is_named(
    landing: LandingZone, lake: Lake, lacking: Callable[[LandingZone], None], told: str
) -> None:
    land(landing, 1, partition=0)
    lacking(landing)
    assert told in str(lake.dbt.invoke("build", *LOG).exception)
    assert lake.rows("select status from operations__runs") == []
