"""The ledger as dbt reads it, while it rolls itself up and removes what it has rolled up."""

from __future__ import annotations

from pathlib import Path

import pytest
from dbt.artifacts.schemas.results import TestStatus
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion import declarations
from ingestion.landing import ledger as ledger_module
from ingestion.landing.ledger import Ledger
from ingestion.landing.storage import open_storage
from tests.history.customers import Customers
from tests.kit.landing import LandingZone
from tests.kit.ledger import entry
from tests.kit.warehouse import LOGS_AND_HISTORIES, Warehouse, copy_project


def test_it_is_whole_and_its_gaps_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "ROLL_UP_EVERY", 4)
    project = copy_project(
        tmp_path / "project", {"retail": 1}, (*LOGS_AND_HISTORIES, "tests/data/operations")
    )
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    LandingZone(warehouse.landing, declarations.load(), "postgresql")
    ledger = Ledger(open_storage(str(warehouse.landing)))
    folder = warehouse.landing / "_ledger"

    def ranges() -> list[tuple[int, int]]:
        return [
            (int(first), int(until))
            for first, until in warehouse.rows(
                "select from_offset, until_offset from operations.ledger order by 1"
            )
        ]

    def contiguous() -> bool:
        result = warehouse.invoke("test", "--select", "ledger_is_contiguous").result
        assert isinstance(result, RunExecutionResult)
        statuses = [node.status for node in result.results if isinstance(node.status, TestStatus)]
        assert len(statuses) == 1
        return statuses == [TestStatus.Pass]

    ledger.append([entry(0, 1)])
    warehouse.build("--select", "orders__log")
    for number in range(1, 6):
        ledger.append([entry(number, number + 1)])
    assert ranges() == [(n, n + 1) for n in range(6)], "the view follows the files"
    warehouse.build("--select", "orders__log")
    assert ranges() == [(0, 4), (4, 5), (5, 6)]
    for number in range(6, 9):
        ledger.append([entry(number, number + 1)])
    assert ranges() == [(0, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 9)]
    assert contiguous(), "the view's roll-up stays while a newer one is there"

    monkeypatch.setattr(ledger_module, "KEEP_ROLLED_UP_SECONDS", 0.0)
    for number in range(9, 14):
        ledger.append([entry(number, number + 1)])
    warehouse.build("--select", "orders__log")
    assert ranges() == [(0, 12), (12, 13), (13, 14)]
    assert len(list(folder.glob("*.jsonl"))) == 3
    assert contiguous()
    (folder / f"{13:020d}.jsonl").unlink()
    assert not contiguous()


@pytest.fixture
def customers(tmp_path: Path) -> Customers:
    project = copy_project(tmp_path / "project", {"retail": 1})
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    return Customers(warehouse, LandingZone(warehouse.landing, declarations.load(), "postgresql"))


def test_a_file_that_a_listing_missed_is_read_later(customers: Customers, tmp_path: Path) -> None:
    """A listing can show the second of two new files and not the first."""
    customers.land("c", 10, "tier=bronze")
    customers.build()
    ledger = customers.warehouse.landing / "_ledger"
    committed = set(ledger.iterdir())
    files = sorted(customers.warehouse.landing.glob("customers/incarnation=0/*/*/0*.parquet"))
    customers.land("u", 20, "tier=silver", before="tier=bronze")
    customers.land("u", 30, "tier=gold", before="tier=silver")
    later = sorted(customers.warehouse.landing.glob("customers/incarnation=0/*/*/0*.parquet"))
    [missed, _seen] = [file for file in later if file not in files]
    hidden = [missed, *(set(ledger.iterdir()) - committed)]
    for number, file in enumerate(hidden):
        file.rename(tmp_path / f"hidden{number}")
    customers.build()
    assert len(customers.history()) == 1, "what the ledger does not have is not read"

    for number, file in enumerate(hidden):
        (tmp_path / f"hidden{number}").rename(file)
    customers.build()
    assert customers.history() == customers.expected()
    assert len(customers.history()) == 3


def test_files_without_a_ledger_are_not_read(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze")
    for commit in (customers.warehouse.landing / "_ledger").iterdir():
        commit.unlink()
    result = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert "has files but no ledger" in str(result.exception)
