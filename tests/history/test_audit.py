"""`audit: touched`, which production runs: what the data tests see, and how long they say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult

from ingestion import declarations
from lakehouse.console import Exit
from tests.history.customers import SOURCE, Columns, Customers
from tests.kit.command_line import CommandLine
from tests.kit.landing import LandingZone
from tests.kit.warehouse import Warehouse, copy_project, parsed_project

ONCE = "each_record_once_customers__log"
VERSIONED = "cdc_history_every_change_has_its_version_customers_history"
CHAIN = "before_images_chain_customers"
FUTURE = "no_commit_in_the_future"
STORED = f"select _cdc_position from operations.{CHAIN}"


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
    named = command[0] == "retry" or "--select" in command
    selection = () if named else ("--select", "+customers_history")
    result = customers.warehouse.invoke(*command, *selection, keep_results=True).result
    assert isinstance(result, RunExecutionResult)
    errors = [node.message for node in result.results if node.status == "error"]
    assert not errors, errors
    told = {str(node.node.name) for node in result.results if node.status in ("fail", "warn")}
    known = (ONCE, VERSIONED)
    return {next((name for name in known if each.startswith(name)), each) for each in told}


def spoil(customers: Customers, *statements: str) -> None:
    with duckdb.connect(str(customers.warehouse.file)) as connection:
        for statement in statements:
            connection.execute(statement)


def stored(customers: Customers) -> list[int]:
    """LSNs of the stored breaks."""
    return sorted(
        int(position.split(":")[2], 16) for (position,) in customers.warehouse.rows(STORED)
    )


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
    customers.land("u", 30, "tier=gold", before="tier=silver")
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


def test_a_break_stays_until_what_was_lost_arrives(customers: Customers) -> None:
    customers.land("u", 40, "tier=platinum", before="tier=gold")
    assert complaints(customers, "build") == {CHAIN}
    assert stored(customers) == [40]
    assert complaints(customers, "build") == {CHAIN}
    assert complaints(customers, "test") == {CHAIN}
    assert stored(customers) == [40]

    customers.land("u", 30, "tier=gold", before="tier=silver")
    assert not complaints(customers, "build")
    assert not stored(customers)
    assert customers.warehouse.rows("select * from operations.breaks") == []


@pytest.fixture
def accept(
    customers: Customers, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """`lakehouse accept` on the customers' warehouse; its exit code."""
    monkeypatch.setenv("LAKEHOUSE_DUCKDB", str(customers.warehouse.file))
    return lambda *arguments: command_line("accept", *arguments)[0]


BECAUSE = ("--reason", "The topic's retention ended, see 'ticket 12'", "--by", "ada")


def test_a_declared_key_that_is_not_the_sources(customers: Customers) -> None:
    """The shop has another row of this key: it was read, and a second one is inserted."""
    customers.land("r", 30, "tier=gold", key=8)
    customers.land("c", 40, "tier=silver", key=8)
    customers.land("d", 50, "tier=silver", key=8)
    for _ in range(2):
        assert complaints(customers, "build") == {CHAIN}
        assert stored(customers) == [40]


def test_a_read_that_saw_what_is_committed_later(customers: Customers) -> None:
    customers.land("r", 30, "tier=gold", key=8)
    customers.land("c", 40, "tier=silver", key=8)
    assert complaints(customers, "build") == {CHAIN}
    customers.land("u", 50, "tier=gold", before="tier=silver", key=8)
    assert not complaints(customers, "build")
    assert not stored(customers)


def test_a_break_that_is_accepted_is_no_longer_told(
    customers: Customers, accept: Callable[..., int]
) -> None:
    customers.land("u", 40, "tier=platinum", before="tier=gold")
    assert complaints(customers, "build") == {CHAIN}
    assert accept("list") == Exit.ATTENTION
    assert accept("break", "customers", "--key", "customer_id=8", *BECAUSE) == Exit.REFUSED
    assert accept("break", "customers", "--key", "customer_id=7", *BECAUSE) == 0
    assert accept("break", "customers", "--all", *BECAUSE) == Exit.REFUSED
    assert accept("list") == 0
    assert customers.warehouse.rows(
        "select relation, reason, accepted_by from operations.acceptances"
    ) == [("customers_history", BECAUSE[1], "ada")]
    assert not complaints(customers, "build")

    customers.land("u", 60, "tier=gold", before="tier=bronze")
    assert complaints(customers, "build", "--vars", "audit: full") == {CHAIN}
    assert stored(customers) == [60]


def test_garbage_in_quarantine_is_told_until_it_is_accepted(
    customers: Customers, accept: Callable[..., int]
) -> None:
    """A table that was truncated fails every build until somebody has looked."""
    customers.land("t", 30, "tier=gold")
    told = {"nothing_in_quarantine", "no_truncate"}
    for _ in range(2):
        assert complaints(customers, "build", "--select", "+quarantine") == told
    assert accept("record", "customers", "--at", "0/0/3", *BECAUSE) == Exit.REFUSED
    assert accept("record", "customers", "--at", "0/0/2", *BECAUSE) == 0
    assert not complaints(customers, "build", "--select", "+quarantine")
    quarantined = "select kafka_offset, accepted_by, accepted_because from staging.quarantine"
    assert customers.warehouse.rows(quarantined) == [(2, "ada", BECAUSE[1])]


def test_a_commit_time_far_ahead_of_kafkas_is_told_until_it_is_accepted(
    customers: Customers, accept: Callable[..., int]
) -> None:
    year_2099 = 4_080_000_000
    customers.land("u", 30, "tier=gold", before="tier=silver", ahead_seconds=600)
    build = ("build", "--select", "+dated_ahead")
    assert not complaints(customers, *build)
    customers.land("u", 40, "tier=silver", before="tier=gold", ahead_seconds=year_2099)
    customers.land("u", 50, "tier=gold", before="tier=silver")
    for _ in range(2):
        assert complaints(customers, *build) == {FUTURE}
    assert customers.warehouse.rows(f"select kafka_offset from operations.{FUTURE}") == [(3,)]
    assert accept("record", "customers", "--all", *BECAUSE) == 0
    assert not complaints(customers, *build)


class TestDrift:
    """The source's columns are not the declared ones, as long as the newest record shows it."""

    BUILD = ("build", "--select", "+drift")
    DRIFT = "no_drift"

    def test_a_dropped_column_is_told_until_it_is_accepted(
        self, customers: Customers, accept: Callable[..., int]
    ) -> None:
        assert not complaints(customers, *self.BUILD)
        customers.land("u", 30, "tier=gold", before="tier=silver", without="phone")
        for _ in range(2):
            assert complaints(customers, *self.BUILD) == {self.DRIFT}
        command = ("drift", "customers", *BECAUSE, "--columns")
        assert accept(*command, "unknown:phone") == Exit.REFUSED
        assert accept(*command, "missing:phone") == 0
        assert not complaints(customers, *self.BUILD)
        customers.land("u", 40, "tier=silver", before="tier=gold", without="birth_date")
        assert complaints(customers, *self.BUILD) == {self.DRIFT}

    def test_a_column_that_comes_again(self, customers: Customers) -> None:
        customers.land("u", 30, "tier=gold", before="tier=silver", without="phone")
        assert complaints(customers, *self.BUILD) == {self.DRIFT}
        customers.land("u", 40, "tier=silver", before="tier=gold")
        assert not complaints(customers, *self.BUILD)


def test_a_column_that_the_source_added_or_dropped_later(customers: Customers) -> None:
    """It was declared before: the log says which records lack it."""
    customers.land("u", 30, "tier=gold", before="tier=silver", without="phone")
    customers.land("u", 40, "tier=silver, phone=5", before="tier=gold, phone=5")
    customers.land("u", 50, "tier=gold", before="tier=silver", without="phone")
    assert not complaints(customers, "build")
    customers.land("u", 60, "tier=silver, phone=6", before="tier=platinum, phone=6")
    customers.land("u", 70, "tier=gold, phone=5", before="tier=silver, phone=5")
    assert complaints(customers, "build") == {CHAIN}
    assert stored(customers) == [60, 70]


class TestSchemaChange:
    """A column that is not in every image: a loss shows in the columns that both images have."""

    @pytest.fixture
    def customers(self, tmp_path: Path) -> Customers:
        project = copy_project(tmp_path / "project", SOURCE.epochs)
        warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
        return in_folder(warehouse, tmp_path)

    @staticmethod
    def added(customers: Customers, *, before: str, after: str) -> None:
        """The column phone is declared after two changes, and given to all rows by a default."""
        kept: Columns = {}
        customers.declare(lambda columns: kept.update(phone=columns.pop("phone")))
        customers.land("c", 10, "tier=bronze")
        assert not complaints(customers, "build")
        customers.declare(lambda columns: columns.update(kept))
        customers.land("u", 20, after, before=before)

    def test_a_column_added_with_a_default(self, customers: Customers) -> None:
        self.added(customers, before="tier=bronze, phone=5", after="tier=silver, phone=5")
        assert not complaints(customers, "build")
        customers.land("u", 30, "tier=gold, phone=5", before="tier=silver, phone=5")
        assert not complaints(customers, "build")
        assert not complaints(customers, "test", "--vars", "audit: full")

    @pytest.mark.parametrize(
        "lost", ["tier=gold, phone=5", "tier=bronze, phone=5, birth_date=null"]
    )
    def test_a_loss_behind_an_added_column(self, customers: Customers, lost: str) -> None:
        self.added(customers, before=lost, after="tier=silver, phone=5")
        assert complaints(customers, "build") == {CHAIN}
        assert stored(customers) == [20]

    def test_a_loss_once_both_images_have_the_column(self, customers: Customers) -> None:
        self.added(customers, before="tier=bronze, phone=5", after="tier=silver, phone=null")
        customers.land("u", 30, "tier=gold, phone=6", before="tier=silver, phone=5")
        assert complaints(customers, "build") == {CHAIN}
        assert stored(customers) == [30]
