"""The shop's histories on Spark: whatever comes, the rows that DuckDB has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion.settings import ConnectorName
from tests.kit.batches import new_batch
from tests.kit.dbt import Dbt
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


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "connector", ["sqlserver", pytest.param("postgresql", marks=pytest.mark.long)]
)
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


@pytest.mark.timeout(600)
def test_the_data_tests_find_what_they_find_on_duckdb(spark: SparkSession, tmp_path: Path) -> None:
    """Of a history as it is, and of one that has lost a version."""
    logs = random_logs("postgresql", number=2, of=30, tables=("customer_addresses",))
    parsed = parsed_project(copy_project(tmp_path / "project", EPOCHS), tmp_path, "postgresql")
    batch = new_batch(parsed, tmp_path, DECLARATIONS, logs)
    for run in batch.runs:
        batch.land(run)
    lake = Lake(spark, batch.warehouse, "data_tests")
    for dbt in (batch.warehouse.dbt, lake.dbt):
        dbt.build("--select", "+customer_addresses_history")
    told = findings(batch.warehouse.dbt)
    assert findings(lake.dbt) == told
    assert told["before_images_chain_customer_addresses"][0] == "warn"

    [(lost,)] = batch.warehouse.rows(
        """
        select min(dbt_scd_id)
        from history.customer_addresses_history
        where _cdc_op = 'u' and dbt_valid_from > '1900-01-01' and dbt_valid_from < dbt_valid_to
        """
    )
    with duckdb.connect(batch.warehouse.file) as connection:
        connection.execute(
            "delete from history.customer_addresses_history where dbt_scd_id = ?", [lost]
        )
    spark.sql(
        f"delete from data_tests.history__customer_addresses_history where dbt_scd_id = '{lost}'"
    )
    told = findings(batch.warehouse.dbt)
    assert findings(lake.dbt) == told
    failed = {name for name, (status, _) in told.items() if status == "fail"}
    assert any(name.startswith("cdc_history_unbroken_history") for name in failed)
    assert any(name.startswith("cdc_history_every_change_has_its_version") for name in failed)


def findings(dbt: Dbt) -> dict[str, tuple[str, int | None]]:
    """What each data test of the log and the history of addresses says, and of how many rows."""
    selected = ("--select", "+customer_addresses_history", "--vars", "audit: full")
    result = dbt.invoke("test", *selected).result
    assert isinstance(result, RunExecutionResult)
    return {done.node.name: (done.status.value, done.failures) for done in result.results}
