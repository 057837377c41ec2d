"""The package of history macros on Spark and Iceberg: its own integration tests, and the lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dbt.cli.main import dbtRunner

from lakehouse.console import ROOT
from tests.kit.dbt import Dbt, explain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RUNS = "cdc_history_operations.runs"
LOCK = "cdc_history_operations.run_lock"


@pytest.fixture
def project(spark: SparkSession, tmp_path: Path) -> Iterator[Dbt]:
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
    shutil.copytree(ROOT / "packages/cdc_history", tmp_path / "cdc_history", ignore=ignored)
    project = tmp_path / "cdc_history/integration_tests"
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    done = dbtRunner().invoke(["--quiet", "deps", *folders])
    assert done.success, done.exception
    yield Dbt(project, tmp_path / "dbt", {}, "spark")
    for schema in ("cdc_history", "cdc_history_operations"):
        for row in spark.sql(f"show tables in {schema}").collect():
            spark.sql(f"drop table {schema}.{row.tableName} purge")


def test_each_build_gives_the_expected_rows_in_one_commit(
    project: Dbt, spark: SparkSession
) -> None:
    project.run("seed", "--warn-error")
    # run 3 brings what came late in runs 2 and 3; then every key is computed again
    for run, *flags in ((1,), (3,), (3, "--full-refresh")):
        new = ("--exclude-resource-type", "seed", "--vars", f"run: {run}")
        project.run("build", "--warn-error", *new, *map(str, flags))
    for history in ("history_by_run", "history_without_run"):
        commits = spark.table(f"lake.cdc_history.{history}.snapshots").count()
        assert commits == 3, history
    tables = {row.tableName for row in spark.sql("show tables in cdc_history").collect()}
    assert not {name for name in tables if "__step_" in name}


def test_one_run_at_a_time(project: Dbt, spark: SparkSession) -> None:
    """A live run refuses the next one; what a dead one holds expires, and then it is abandoned."""
    project.run("seed", "--select", "worked_changes")
    built = ("run", "--select", "changes_by_run", "--vars", "run: 1")
    project.run(*built)
    spark.sql(f"update {LOCK} set run_number = 2, invocation_id = 'other', taken_at = now()")
    spark.sql(f"insert into {RUNS} values (2, 'other', now(), null, 'running')")

    refused = project.invoke(*built)
    assert "run 2 (invocation other) has been building target spark" in explain(refused)
    assert [
        row.status for row in spark.sql(f"select status from {RUNS} order by run_number").collect()
    ] == [
        "succeeded",
        "running",
    ]

    spark.sql(f"update {LOCK} set taken_at = now() - interval '241' minute")
    project.run(*built)
    runs = spark.sql(f"select run_number, status from {RUNS} order by run_number").collect()
    assert [tuple(row) for row in runs] == [(1, "succeeded"), (2, "abandoned"), (3, "succeeded")]
    assert [row.invocation_id for row in spark.table(LOCK).collect()] == [None]
