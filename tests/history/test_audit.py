"""`audit: touched`, which production runs: what the data tests see, and how long they say it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion import declarations
from tests.history.customers import SOURCE, Customers
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse, copy_project, parsed_project

ONCE = "each_record_once_customers__log"
VERSIONED = "cdc_history_every_change_has_its_version_customers_history"
CHAIN = "before_images_chain_customers"


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    project = copy_project(tmp_path_factory.mktemp("project"), SOURCE.epochs)
    return parsed_project(project, tmp_path_factory.mktemp("parsed"), "postgresql")


def in_folder(warehouse: Warehouse, folder: Path) -> Customers:
    own = replace(warehouse, landing=folder / "landing", file=folder / "warehouse.duckdb")
    return Customers(own, LandingZone(own.landing, declarations.load(), "postgresql"))


@pytest.fixture
def customers(parsed: Warehouse, tmp_path: Path) -> Customers:
    """Customer 7 inserted, updated and built; every test has passed."""
    found = in_folder(parsed, tmp_path)
    found.land("c", 10, "tier=bronze")
    found.land("u", 20, "tier=silver", before="tier=bronze")
    assert not complaints(found, "build")
    return found


def complaints(customers: Customers, *command: str) -> set[str]:
    """Beginnings of the names of the data tests that fail or warn in an invocation."""
    selection = () if command[0] == "retry" else ("--select", "+customers_history")
    result = customers.warehouse.invoke(*command, *selection, keep_results=True).result
    assert isinstance(result, RunExecutionResult)
    errors = [node.message for node in result.results if node.status == "error"]
    assert not errors, errors
    told = {str(node.node.name) for node in result.results if node.status in ("fail", "warn")}
    known = (ONCE, VERSIONED, CHAIN)
    return {next((name for name in known if each.startswith(name)), each) for each in told}


def spoil(customers: Customers, *statements: str) -> None:
    with duckdb.connect(str(customers.warehouse.file)) as connection:
        for statement in statements:
            connection.execute(statement)


TWICE = """
    insert into staging.customers__log
    select * replace ({run} as _cdc_run) from staging.customers__log where kafka_offset = 0
    """
NEWEST = "(select max(run_number) from operations.runs)"
LOST = "delete from history.customers_history where _cdc_op = 'c'"


def test_a_record_read_twice_by_two_runs(customers: Customers) -> None:
    """What a watermark that went back does: the older decision is of an earlier run."""
    customers.land("u", 30, "tier=gold", before="tier=silver")
    assert not complaints(customers, "build")
    spoil(customers, TWICE.format(run=NEWEST))
    assert ONCE in complaints(customers, "test")


def test_a_version_lost_from_a_touched_key(customers: Customers) -> None:
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.warehouse.build("--select", "+customers_history")
    spoil(customers, LOST)
    assert VERSIONED in complaints(customers, "test")


def test_a_run_that_catches_up(customers: Customers) -> None:
    """The change is read in a run without the snapshot; the next one brings no record."""
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.warehouse.build("--select", "+stg_retail__customers")
    customers.warehouse.build("--select", "+customers_history")
    spoil(customers, "delete from history.customers_history where dbt_valid_to is null")
    assert VERSIONED in complaints(customers, "test")
    customers.warehouse.build("--select", "+customers_history")
    assert VERSIONED in complaints(customers, "test")


def test_no_build_and_no_retry_is_green_while_a_table_is_wrong(customers: Customers) -> None:
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.warehouse.build("--select", "+customers_history")
    spoil(customers, LOST)
    assert VERSIONED in complaints(customers, "build")
    for _ in range(2):
        assert VERSIONED in complaints(customers, "retry")
    for _ in range(2):
        assert VERSIONED in complaints(customers, "build")
    # a run without tests succeeds, and proves nothing
    customers.warehouse.build("--select", "+customers_history")
    assert VERSIONED in complaints(customers, "build")

    customers.build("--full-refresh")
    assert customers.history() == customers.expected()
    assert not complaints(customers, "build")
    (failed, succeeded) = customers.warehouse.rows(
        "select count(*) from operations.runs group by status order by status"
    )
    assert (failed, succeeded) == ((6,), (5,))


def test_what_a_passed_test_has_seen_is_not_looked_at_again(customers: Customers) -> None:
    """Cost follows what is new: only a full audit looks at what earlier runs proved."""
    customers.land("c", 30, "tier=gold")
    assert complaints(customers, "build") == set()
    spoil(customers, TWICE.format(run=1))
    spoil(customers, "update history.customers_history set _cdc_run = 1", LOST)
    spoil(customers, "update staging.customers__log set _cdc_run = 1")
    assert not complaints(customers, "build")
    assert {ONCE, VERSIONED} <= complaints(customers, "test", "--vars", "audit: full")


def test_a_build_of_nothing_proves_nothing(customers: Customers) -> None:
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.warehouse.build("--select", "+customers_history")
    spoil(customers, LOST)
    complaints(customers, "build", "--empty")
    assert VERSIONED in complaints(customers, "test")
