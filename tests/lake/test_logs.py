"""The shop's logs on Spark: of the corpus of records each gives the row that DuckDB gives."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestion.settings import ConnectorName
from tests.kit.corpus.cases import Case, load
from tests.kit.declared import CONNECTORS, DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.warehouse import Warehouse, copy_project
from tests.lake.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def deliveries(cases: list[Case]) -> list[Delivery]:
    return [Delivery(case.key, case.value, partition=0, timestamp_ms=0) for case in cases]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("connector", CONNECTORS)
def test_each_record_gives_the_same_row_in_one_commit(
    connector: ConnectorName, spark: SparkSession, tmp_path: Path
) -> None:
    landing = LandingZone(tmp_path / "landing", DECLARATIONS, connector)
    by_table: dict[str, list[Case]] = defaultdict(list)
    for case in load():
        if case.connector == connector:
            by_table[case.table].append(case)
    for name, cases in by_table.items():
        landing.land(DECLARATIONS.table(name), deliveries(cases))
    project = copy_project(tmp_path / "project", {"retail": 1})
    warehouse = Warehouse(project, landing.root, tmp_path / "warehouse.duckdb", connector)
    lake = Lake(spark, warehouse, f"corpus_{connector}")
    logs = ("--select", *(f"{name}__log" for name in by_table))
    warehouse.build(*logs)
    lake.dbt.build(*logs)

    differ = []
    for name, cases in by_table.items():
        told = warehouse.rows(f"select * from staging.{name}__log order by kafka_offset")
        found = lake.rows(f"select * from staging__{name}__log order by kafka_offset")
        assert len(found) == len(cases)
        differ += [case.name for case, a, b in zip(cases, told, found, strict=True) if a != b]
        commits = f"select * from lake.{lake.database}.staging__{name}__log.snapshots"
        assert len(lake.rows(commits)) == 1
    assert differ == []


@pytest.mark.timeout(300)
def test_a_later_run_reads_what_is_new_once(spark: SparkSession, tmp_path: Path) -> None:
    """Of files that overlap too, and nothing when nothing came."""
    landing = LandingZone(tmp_path / "landing", DECLARATIONS, "postgresql")
    cases = [case for case in load() if (case.connector, case.table) == ("postgresql", "customers")]
    table = DECLARATIONS.table("customers")
    project = copy_project(tmp_path / "project", {"retail": 1})
    warehouse = Warehouse(project, landing.root, tmp_path / "warehouse.duckdb", "postgresql")
    lake = Lake(spark, warehouse, "runs")
    read = "select _cdc_run, count(*), count(distinct kafka_offset) from staging__customers__log"
    read += " group by _cdc_run order by _cdc_run"

    landing.land(table, deliveries(cases[:5]))
    lake.dbt.build("--select", "customers__log")
    assert lake.rows(read) == [(1, 5, 5)]

    landing.land(table, deliveries(cases[5:8]))
    [newest] = landing.root.glob("customers/*/*/*/*5-*8.parquet")
    # as a compaction leaves it for a while: the records beside a file that holds them too
    newest.with_name(f"{6:020d}-{8:020d}.parquet").write_bytes(newest.read_bytes())
    lake.dbt.build("--select", "customers__log")
    assert lake.rows(read) == [(1, 5, 5), (2, 3, 3)]

    lake.dbt.build("--select", "customers__log")
    assert lake.rows(read) == [(1, 5, 5), (2, 3, 3)]
