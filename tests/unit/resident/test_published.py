"""Who owns a warehouse file, and which one its readers open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from ingestion.errors import RefusedError
from lakehouse import dbt_guard
from lakehouse.published import owned, owner_of, published, readable


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def guard(warehouse: Path) -> None:
    """What happens before dbt opens it."""
    dbt_guard.Plugin("guard", {}, DuckDBCredentials(path=str(warehouse), schema="main"))


def test_one_process_owns_it_and_reads_it_itself(warehouse: Path) -> None:
    assert owner_of(warehouse) is None
    with owned(warehouse):
        assert owner_of(warehouse) == os.getpid()
        with pytest.raises(RefusedError, match=f"kill {os.getpid()}"), owned(warehouse):
            raise AssertionError("it has an owner")
        published(warehouse).touch()
        guard(warehouse)
        assert readable(warehouse) == published(warehouse)
    assert owner_of(warehouse) is None


def test_a_build_by_hand_withdraws_what_a_killed_owner_has_published(warehouse: Path) -> None:
    with owned(warehouse):
        published(warehouse).touch()
    assert readable(warehouse) == published(warehouse)
    guard(warehouse)
    assert readable(warehouse) == warehouse
