"""Builds that meet another one, and builds that go on where one failed, as people run them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion.settings import ConnectorName
from tests.kit.batches import Batch, history_lines, new_batch, wrong_logs
from tests.kit.declared import DECLARATIONS
from tests.kit.warehouse import Warehouse
from tests.kit.worked import worked_histories


@pytest.fixture(scope="module")
def worked(
    parsed: dict[ConnectorName, Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> Batch:
    """The worked histories of docs/semantics.md on PostgreSQL, all runs landed, nothing built."""
    folder = tmp_path_factory.mktemp("worked")
    batch = new_batch(parsed["postgresql"], folder, DECLARATIONS, worked_histories("postgresql"))
    for run in batch.runs:
        batch.land(run)
    return batch


@pytest.fixture
def batch(worked: Batch, tmp_path: Path) -> Batch:
    """The landed histories before a warehouse of the test's own."""
    return worked.over(worked.warehouse.moved_to(tmp_path / "own"))


@pytest.mark.parametrize("after_query", [1, 12, 40])
def test_a_second_build_is_refused_and_the_first_is_as_if_alone(
    batch: Batch, after_query: int
) -> None:
    warehouse = batch.warehouse
    with warehouse.held_build(*batch.selection, after_query=after_query) as first:
        refused = warehouse.invoke("build", *batch.selection)
    assert not refused.success
    told = str(refused.exception)
    assert warehouse.file.name in told
    assert f"PID {first}" in told
    assert not wrong_logs(batch.expected(), batch.histories())
    warehouse.build(*batch.selection)
    assert not wrong_logs(batch.expected(), batch.histories())
    assert [status for (status,) in warehouse.rows("select status from operations.runs")] == [
        "succeeded",
        "succeeded",
    ]


def test_a_retry_builds_what_failed_and_what_was_skipped(batch: Batch) -> None:
    warehouse = batch.warehouse
    landed = sorted((warehouse.landing / "customers").rglob("*-*.parquet"))[-1]
    whole = landed.read_bytes()
    landed.write_bytes(whole[: len(whole) // 2])
    try:
        failed = warehouse.invoke("build", *batch.selection, keep_results=True)
    finally:
        landed.write_bytes(whole)
    assert statuses(failed.result)["customers__log"] == "error"
    assert statuses(failed.result)["customers_history"] == "skipped"
    assert statuses(failed.result)["customer_addresses_history"] == "success"

    retried = warehouse.invoke("retry", keep_results=True)
    assert retried.success
    assert statuses(retried.result)["customers_history"] == "success"
    assert "customer_addresses_history" not in statuses(retried.result)
    assert not wrong_logs(batch.expected(), batch.histories())

    once = warehouse.moved_to(warehouse.file.parent / "once")
    once.build(*batch.selection)
    for table in batch.tables:
        lines = [sorted(history_lines(w, table), key=str) for w in (warehouse, once)]
        assert lines[0] == lines[1], table.name


def statuses(result: object) -> dict[str, str]:
    """Status of each node of an invocation by its name."""
    assert isinstance(result, RunExecutionResult)
    return {node.node.name: str(node.status) for node in result.results}
