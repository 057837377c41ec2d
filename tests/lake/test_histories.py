"""The shop's histories on Spark: whatever comes, the rows that DuckDB has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ingestion.settings import ConnectorName
from tests.kit.batches import new_batch
from tests.kit.declared import CONNECTORS, DECLARATIONS
from tests.kit.logs import pairs_in_commits, random_logs
from tests.kit.warehouse import copy_project, parsed_project
from tests.kit.worked import EPOCHS, worked_histories
from tests.lake.lake import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HISTORIES = [table.name for table in DECLARATIONS.tables if table.history == "all"]
# Each table once, and customers, of which the worked histories are, of both connectors.
SHARED = {
    "sqlserver": ("customers", "products", "order_items"),
    "postgresql": ("customers", "customer_addresses", "orders", "payments"),
}


def test_no_history_is_left_out() -> None:
    assert {*SHARED["sqlserver"], *SHARED["postgresql"]} == {*HISTORIES}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_same_rows_in_one_commit(
    connector: ConnectorName, spark: SparkSession, tmp_path: Path
) -> None:
    """A first build, what came later, late and twice, and every key of a history computed again."""
    check(connector, SHARED[connector], [[1], [2, 3, 4]], spark, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("connector", CONNECTORS)
def test_the_same_rows_of_all_tables(
    connector: ConnectorName, spark: SparkSession, tmp_path: Path
) -> None:
    check(connector, HISTORIES, [[1], [2], [3], [4]], spark, tmp_path)


def check(
    connector: ConnectorName,
    tables: list[str] | tuple[str, ...],
    rounds: list[list[int]],
    spark: SparkSession,
    folder: Path,
) -> None:
    logs = [log for log in worked_histories(connector) if log.table.name in tables]
    logs += random_logs(connector, number=1, of=20 * len(tables), tables=tables)
    if connector == "sqlserver":
        logs += pairs_in_commits()
    parsed = parsed_project(copy_project(folder / "project", EPOCHS), folder, connector)
    batch = new_batch(parsed, folder, DECLARATIONS, logs)
    assert {run for runs in rounds for run in runs} == {*batch.runs}
    lake = Lake(spark, batch.warehouse, f"histories_{connector}_{len(tables)}")
    histories = [f"{table.name}_history" for table in batch.tables]
    new = ["--select", *(f"+{history}" for history in histories)]
    refreshed = ["--full-refresh", "--select", histories[0]]
    builds = [*((runs, new) for runs in rounds), ([], refreshed)]
    for number, (runs, arguments) in enumerate(builds, 1):
        for run in runs:
            batch.land(run)
        batch.warehouse.build(*arguments)
        lake.dbt.build(*arguments)
        for history in histories:
            told = batch.warehouse.rows(f"select * from history.{history}")
            found = lake.rows(f"select * from history__{history}")
            assert sorted(found, key=str) == sorted(told, key=str), history
            commits = f"select * from lake.{lake.database}.history__{history}.snapshots"
            of_it = number if history == histories[0] else min(number, len(rounds))
            assert len(lake.rows(commits)) == of_it, history
