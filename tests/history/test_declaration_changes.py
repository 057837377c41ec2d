"""A declaration that changes in mid-log: rejected records heal, columns are gained, types stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion import declarations
from ingestion.declarations import Declarations
from tests.history import reference
from tests.history.batches import expected_line, history_lines
from tests.history.envelopes import Event, PostgresPlace, key_bytes, value_bytes
from tests.history.landing_files import Delivery, LandingZone
from tests.history.reference import Change, Record, Source
from tests.history.warehouse import SOURCES, Warehouse, copy_project
from tests.history.worked import WorkedHistory, load

SOURCE = Source("postgresql", {"retail": 1})
Columns = dict[str, dict[str, Any]]
ROWS: WorkedHistory = next(w for w in load(declarations.load()) if w.connector == "postgresql")
"""Spells the rows of customers as docs/semantics.md does."""


@dataclass
class Customers:
    """The log and the history of customers in a project whose declaration can be changed."""

    warehouse: Warehouse
    zone: LandingZone
    records: list[Record] = field(default_factory=list)

    @property
    def declared(self) -> Declarations:
        return declarations.load(self.warehouse.project / SOURCES)

    def declare(self, change: Callable[[Columns], None]) -> None:
        """Change the columns of customers, by name, in the project's declarations."""

        def change_columns(table: dict[str, Any]) -> None:
            columns = {column["name"]: column for column in table["columns"]}
            change(columns)
            table["columns"] = list(columns.values())

        self.declare_table(change_columns)

    def declare_table(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the declaration of customers."""
        file = self.warehouse.project / SOURCES
        document = yaml.safe_load(file.read_text("utf-8"))
        table = document["sources"][0]["tables"][0]
        assert table["name"] == "customers"
        change(table)
        file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def land(self, op: str, lsn: int, row: str, before: str = "") -> None:
        """Land a change of customer 7; `tier=null` and the like break what is declared."""
        image = ROWS.row(row, (7,))
        event = Event(
            op=op,
            place=PostgresPlace(lsn, lsn - 1, 1),
            committed_ms=lsn * 1000,
            row=image,
            before=ROWS.row(before, (7,)) if before else None,
        )
        table = ROWS.table
        delivery = Delivery(
            key=key_bytes(image, table, "postgresql"),
            value=value_bytes(event, table, "postgresql", "retail"),
            partition=0,
            timestamp_ms=lsn * 1000,
        )
        self.records += self.zone.land(table, [delivery])

    def build(self, *arguments: str) -> None:
        self.warehouse.build("--select", "+customers_history", *arguments)

    def history(self) -> set[tuple[Any, ...]]:
        return set(history_lines(self.warehouse, self.declared.table("customers")))

    def expected(self) -> set[tuple[Any, ...]]:
        """What the reference model gives under the declaration of now."""
        table = self.declared.table("customers")
        verdicts = [reference.judge(record, table, SOURCE) for record in self.records]
        changes = [verdict for verdict in verdicts if isinstance(verdict, Change)]
        rows = [row for rows in reference.history(changes).values() for row in rows]
        return {expected_line(row, table) for row in rows}

    def quarantined(self) -> list[tuple[Any, ...]]:
        return self.warehouse.rows(
            """
            select kafka_offset, _cdc_reject_reason
            from staging.quarantine
            where table_name = 'customers'
            """
        )


@pytest.fixture
def customers(tmp_path: Path) -> Customers:
    parts = ("macros", "models/staging", "snapshots", "tests/data/generic")
    project = copy_project(tmp_path / "project", SOURCE.epochs, parts)
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", "postgresql")
    return Customers(warehouse, LandingZone(warehouse.landing, declarations.load(), "postgresql"))


def nullable_tier(columns: Columns) -> None:
    columns["tier"]["config"] = {"meta": {"nullable": True}}


def test_a_rejected_record_takes_its_place_when_the_rule_is_fixed(customers: Customers) -> None:
    customers.land("c", 10, "tier=bronze")
    customers.land("u", 20, "tier=null", before="tier=bronze")
    customers.land("u", 30, "tier=gold", before="tier=silver")
    customers.build("+quarantine")
    assert customers.quarantined() == [(1, "missing_column:tier")]
    assert customers.history() == customers.expected()
    assert len(customers.history()) == 2

    customers.build()
    assert customers.quarantined() == [(1, "missing_column:tier")]

    customers.declare(nullable_tier)
    customers.build()
    assert customers.quarantined() == []
    assert customers.history() == customers.expected()
    assert len(customers.history()) == 3


def test_a_gained_column_is_null_in_older_versions_until_they_are_read_again(
    customers: Customers,
) -> None:
    kept: Columns = {}
    customers.declare(lambda columns: kept.update(phone=columns.pop("phone")))
    customers.land("c", 10, "tier=bronze, phone=1")
    customers.land("u", 20, "tier=silver, phone=2", before="tier=bronze, phone=1")
    customers.build("+unknown_columns")
    assert customers.history() == customers.expected()
    unknown = """
        select table_name, unknown_columns, record_count, epoch(last_seen_at - first_seen_at)
        from staging.unknown_columns
        """
    assert customers.warehouse.rows(unknown) == [("customers", "phone", 2, 10)]

    def gain(columns: Columns) -> None:
        columns.update(kept)

    customers.declare(gain)
    customers.land("u", 30, "tier=gold, phone=3", before="tier=silver, phone=2")
    customers.build()
    phones = "select phone from history.customers_history order by _cdc_position"
    assert customers.warehouse.rows(phones) == [(None,), (None,), ("3",)]

    customers.build("--full-refresh")
    assert customers.warehouse.rows(phones) == [("1",), ("2",), ("3",)]
    assert customers.warehouse.rows(unknown) == []
    assert customers.history() == customers.expected()


def test_a_changed_type_stops_the_run_with_the_command_that_reads_everything_again(
    customers: Customers,
) -> None:
    customers.land("c", 10, "tier=bronze")
    customers.build()
    before = customers.history()

    def smaller_key(columns: Columns) -> None:
        columns["customer_id"]["data_type"] = "integer"

    customers.declare(smaller_key)
    customers.land("u", 20, "tier=silver", before="tier=bronze")
    result = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert not result.success
    assert "lakehouse rebuild customers" in str(result.exception)
    assert "bigint to integer" in str(result.exception)

    def bigger_key(columns: Columns) -> None:
        columns["customer_id"]["data_type"] = "bigint"

    customers.declare(bigger_key)
    assert customers.history() == before
    customers.build()
    assert customers.history() == customers.expected()


def test_a_change_of_what_is_tracked_stops_the_run_too(customers: Customers) -> None:
    """Versions of untouched keys would keep the hash of the former columns."""
    customers.land("c", 10, "tier=bronze")
    customers.build()
    before = customers.history()

    customers.declare_table(lambda table: table["config"]["meta"]["tracked_columns"].remove("tier"))
    customers.land("u", 20, "tier=silver", before="tier=bronze")
    result = customers.warehouse.invoke("build", "--select", "+customers_history")
    assert not result.success
    assert "column tier is no longer tracked" in str(result.exception)
    assert "lakehouse rebuild customers" in str(result.exception)
    assert customers.history() == before
