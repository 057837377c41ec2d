"""A wider type is taken over inside the warehouse: no landed file is read, and nothing differs."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
from dbt_common.events.base_types import EventMsg

from tests.kit.batches import Batch, wrong_logs
from tests.kit.declared import redeclare
from tests.kit.logs import as_page, random_logs
from tests.kit.warehouse import Warehouse, copy_project
from tests.kit.worked import EPOCHS

# Runs the statements after the first argument in that file, and is killed.
DIES = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
for statement in sys.argv[2:]:
    connection.execute(statement)
os.kill(os.getpid(), signal.SIGKILL)
"""
KEY, AMOUNT = "payment_id", "amount"


def assert_right(batch: Batch) -> None:
    for expected, found in (
        (batch.expected_verdicts(), batch.verdicts()),
        (batch.expected(), batch.histories()),
    ):
        wrong = wrong_logs(expected, found)
        assert not wrong, as_page(batch.logs[min(wrong)])


def types_of(warehouse: Warehouse) -> dict[tuple[str, str], str]:
    """The types of the columns of the log, by `staging`, and of the history."""
    found = warehouse.rows(
        "select table_schema, column_name, data_type from information_schema.columns"
        " where table_name in ('payments__log', 'payments_history')"
    )
    return {(schema, column): data_type for schema, column, data_type in found}


def rows_of(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """What a widening must leave as it is, and what it says that it has done."""
    return warehouse.rows(
        "select count(*), sum(payment_id), min(_cdc_position) from staging.payments__log"
        " union all select count(*), sum(payment_id), min(_cdc_position)"
        " from history.payments_history"
        " union all select count(*), 0, min(declaration) from operations.declarations"
        " where table_name = 'payments'"
    )


def assert_nothing_is_half_done(warehouse: Warehouse, widening: str, folder: Path) -> None:
    """Killed before each of its statements, the last of which commits, nothing has happened."""
    statements = duckdb.extract_statements(widening)
    assert len(statements) > 8 and statements[-1].type == duckdb.StatementType.TRANSACTION
    before = types_of(warehouse), rows_of(warehouse)
    for number in range(len(statements) + 1):
        copy = warehouse.moved_to(folder / str(number))
        shutil.copy(warehouse.file, copy.file)
        told = [statement.query for statement in statements[:number]]
        died = subprocess.run([sys.executable, "-c", DIES, copy.file, *told], check=False)
        assert died.returncode == -signal.SIGKILL
        is_done = number == len(statements)
        assert (types_of(copy) != before[0]) == is_done, number
        assert (rows_of(copy)[:2] == before[1][:2], rows_of(copy) != before[1]) == (True, is_done)
        assert not copy.rows("select 1 from duckdb_tables() where table_name like '%__widened'")


def _widening(event: EventMsg) -> list[str]:
    is_it = event.info.name == "SQLQuery" and "__widened" in event.data.sql
    return [event.data.sql] if is_it else []


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
    narrow_one = warehouse.moved_to(tmp_path / "narrow")
    shutil.copy(warehouse.file, narrow_one.file)
    # what has no rows tells the columns
    files = (each for each in tmp_path.rglob("landing/**/*.parquet") if each.stem != "_schema")
    for path in files:
        path.write_bytes(b"not one of them is opened")
    sent: list[str] = []
    warehouse.build(*batch.selection, callbacks=[lambda event: sent.extend(_widening(event))])
    batch = batch.over(warehouse, wide)
    assert_right(batch)
    types = types_of(warehouse)
    assert {types["staging", f"{before}{KEY}"] for before in ("", "_before_")} == {"BIGINT"}
    assert types["history", KEY] == "BIGINT"
    assert types["staging", f"_before_{AMOUNT}"] == types["history", AMOUNT] == "DECIMAL(18,2)"
    [widening] = sent
    assert_nothing_is_half_done(narrow_one, widening, tmp_path / "killed")
