"""A wider type is taken over inside the warehouse: no landed file is read, and nothing differs."""

from __future__ import annotations

from pathlib import Path

from tests.kit.batches import Batch, wrong_logs
from tests.kit.declared import redeclare
from tests.kit.logs import as_page, random_logs
from tests.kit.warehouse import Warehouse, copy_project
from tests.kit.worked import EPOCHS

KEY, AMOUNT = "payment_id", "amount"


def assert_right(batch: Batch) -> None:
    for expected, found in (
        (batch.expected_verdicts(), batch.verdicts()),
        (batch.expected(), batch.histories()),
    ):
        wrong = wrong_logs(expected, found)
        assert not wrong, as_page(batch.logs[min(wrong)])


def test_a_wider_type_is_taken_over_without_landing(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", EPOCHS)
    narrow = redeclare(project, "payments", {KEY: "integer", AMOUNT: "decimal(14,2)"})
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "sqlserver")
    logs = random_logs("sqlserver", 17, 40, ("payments",), narrow)
    batch = Batch(narrow, logs, warehouse)
    for run in batch.runs:
        batch.land(run)
    warehouse.build(*batch.selection)
    assert_right(batch)

    wide = redeclare(project, "payments", {KEY: "bigint", AMOUNT: "decimal(18,2)"})
    # what has no rows tells the columns
    files = (each for each in tmp_path.rglob("landing/**/*.parquet") if each.stem != "_schema")
    for path in files:
        path.write_bytes(b"not one of them is opened")
    warehouse.build(*batch.selection)
    batch = batch.over(warehouse, wide)
    assert_right(batch)
    types = {
        (relation, column): data_type
        for relation, column, data_type in warehouse.rows(
            "select table_schema, column_name, data_type from information_schema.columns"
            " where table_name in ('payments__log', 'payments_history')"
        )
    }
    assert {types["staging", f"{before}{KEY}"] for before in ("", "_before_")} == {"BIGINT"}
    assert types["history", KEY] == "BIGINT"
    assert types["staging", f"_before_{AMOUNT}"] == types["history", AMOUNT] == "DECIMAL(18,2)"
