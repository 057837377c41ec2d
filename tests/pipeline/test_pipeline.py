"""The whole pipeline on one machine: what came out is what the shop did, however it was run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ingestion.declarations import load
from tests.kit.tables import differing_rows, relations
from tests.pipeline.chain import Chain, count
from tests.pipeline.conftest import Passed

_MARTS = ("marts",)
_BUILT = ("staging", "history", "marts")
# The source's own positions, and hashes of them, differ between the two connectors; nothing else.
_OF_THE_CONNECTOR = ("customer_key", "product_version_id", "_cdc_position", "_cdc_row_hash")


def test_the_warehouse_is_what_the_shop_did(passed: Passed) -> None:
    passed.chain.run("lakehouse", "reconcile")
    histories = relations(passed.chain.warehouse, ("history",))
    assert set(histories) == {
        f"history.{table.name}_history" for table in load().tables if table.history == "all"
    }
    for name in histories:
        assert count(passed.chain.warehouse, f"select count(*) from {name}") > 0
    assert count(passed.chain.warehouse, "select count(*) from staging.quarantine") == 0


def test_a_build_without_new_events_changes_no_row(passed: Passed, copied_warehouse: Path) -> None:
    chain = replace(passed.chain, warehouse=copied_warehouse)
    chain.build()
    newest = count(copied_warehouse, "select max(run_number) from operations.runs")
    for relation in relations(copied_warehouse, _BUILT):
        assert not differing_rows(passed.chain.warehouse, copied_warehouse, relation), relation
        with duckdb.connect(str(copied_warehouse), read_only=True) as connection:
            stamped = [row[0] for row in connection.execute(f"describe {relation}").fetchall()]
        if "_cdc_run" in stamped:
            written = f"select count(*) from {relation} where _cdc_run = {newest}"
            assert count(copied_warehouse, written) == 0, relation


@pytest.mark.parametrize("how", ["one run into an empty database", "a full refresh"])
def test_one_run_gives_the_same_tables(
    passed: Passed, copied_warehouse: Path, how: str, tmp_path: Path
) -> None:
    if how == "a full refresh":
        chain = replace(passed.chain, warehouse=copied_warehouse)
        chain.build("--full-refresh")
    else:
        folder = tmp_path / "empty"
        folder.mkdir()
        chain = replace(passed.chain, warehouse=folder / "warehouse.duckdb")
        chain.build()
    assert relations(chain.warehouse, _BUILT) == relations(passed.chain.warehouse, _BUILT)
    for relation in relations(chain.warehouse, _BUILT):
        assert not differing_rows(passed.chain.warehouse, chain.warehouse, relation), relation


def test_sql_server_events_of_the_same_activity_give_the_same_marts(
    passed: Passed, tmp_path: Path
) -> None:
    settings = {**passed.chain.settings, "LAKEHOUSE_SOURCE": "sqlserver"}
    chain = Chain(tmp_path, settings, tmp_path / "warehouse.duckdb")
    chain.land()
    chain.build()
    assert relations(chain.warehouse, _MARTS) == relations(passed.chain.warehouse, _MARTS)
    for relation in relations(chain.warehouse, _MARTS):
        differing = differing_rows(
            passed.chain.warehouse, chain.warehouse, relation, without=_OF_THE_CONNECTOR
        )
        assert not differing, relation
    chain.run("lakehouse", "reconcile")
