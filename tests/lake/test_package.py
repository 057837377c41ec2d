"""The package of history macros on Spark and Iceberg: its own integration tests, and the lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from dbt.cli.main import dbtRunner
from dbt_common.events.base_types import EventMsg

from lakehouse.console import ROOT
from tests.kit.dbt import Dbt, explain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RUNS = "cdc_history_operations.runs"
LOCK = "cdc_history_operations.run_lock"
BUILT = ("run", "--select", "changes_by_run", "--vars", "run: 1")


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
    project.run(*BUILT)
    spark.sql(f"update {LOCK} set run_number = 2, invocation_id = 'other', taken_at = now()")
    spark.sql(f"insert into {RUNS} values (2, 'other', now(), null, 'running')")

    refused = project.invoke(*BUILT)
    assert "run 2 (invocation other) has been building target spark" in explain(refused)
    assert [
        row.status for row in spark.sql(f"select status from {RUNS} order by run_number").collect()
    ] == [
        "succeeded",
        "running",
    ]

    spark.sql(f"update {LOCK} set taken_at = now() - interval '241' minute")
    project.run(*BUILT)
    runs = spark.sql(f"select run_number, status from {RUNS} order by run_number").collect()
    assert [tuple(row) for row in runs] == [(1, "succeeded"), (2, "abandoned"), (3, "succeeded")]
    assert [row.invocation_id for row in spark.table(LOCK).collect()] == [None]


def taking_the_lock(project: Dbt, spark: SparkSession) -> str:
    """The statement by which a build took the lock, now free; `OWNER` stands for who takes it."""
    project.run("seed", "--select", "worked_changes")
    statements: list[str] = []

    def listen(event: EventMsg) -> None:
        if event.info.name == "SQLQuery" and f"update {LOCK}" in " ".join(event.data.sql.split()):
            statements.append(event.data.sql)

    project.run(*BUILT, callbacks=[listen])
    [owner] = spark.sql(
        f"select invocation_id from {RUNS} order by run_number desc limit 1"
    ).collect()
    return statements[0].replace(owner.invocation_id, "OWNER")


def test_of_two_starts_at_once_one_has_the_lock(project: Dbt, spark: SparkSession) -> None:
    taking = taking_the_lock(project, spark)
    together = Barrier(2)

    def take(owner: str) -> bool:
        together.wait()
        try:
            spark.sql(taking.replace("OWNER", owner))
        except Exception as error:
            assert "conflict" in str(error).lower() or "stale" in str(error).lower()
            return False
        return True

    for attempt in range(3):
        owners = [f"{attempt}{letter}" for letter in "ab"]
        with ThreadPoolExecutor(2) as starts:
            assert any(starts.map(take, owners))
        [holder] = [row.invocation_id for row in spark.table(LOCK).collect()]
        running = spark.sql(f"select invocation_id from {RUNS} where status = 'running'").collect()
        assert [row.invocation_id for row in running] == [holder]
        assert holder in owners
        spark.sql(f"update {LOCK} set invocation_id = null")
        spark.sql(f"update {RUNS} set status = 'succeeded' where status = 'running'")
    numbers = [row.run_number for row in spark.table(RUNS).collect()]
    assert sorted(numbers) == [*range(1, len(numbers) + 1)]


def test_an_owner_that_was_paused_too_long_writes_no_more(
    project: Dbt, spark: SparkSession
) -> None:
    taking = taking_the_lock(project, spark)
    rows = spark.table("cdc_history.changes_by_run").count()

    def pause(event: EventMsg) -> None:
        if event.info.name == "LogStartLine":
            spark.sql(f"update {LOCK} set taken_at = now() - interval '241' minute")
            spark.sql(taking.replace("OWNER", "other"))

    paused = project.invoke(*BUILT[:-1], "run: 3", callbacks=[pause])
    assert "was ended or taken over: start the build again" in explain(paused)
    assert spark.table("cdc_history.changes_by_run").count() == rows
    assert [row.invocation_id for row in spark.table(LOCK).collect()] == ["other"]
