"""Customers under a declaration that changes while their records come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from ingestion import declarations
from ingestion.declarations import Declarations
from lakehouse.source.envelopes import Event, key_bytes, value_bytes
from lakehouse.source.positions import PostgresPlace
from tests.kit import reference
from tests.kit.batches import expected_line, history_lines
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import Change, Record, Source
from tests.kit.warehouse import SOURCES, Warehouse
from tests.kit.worked import WorkedHistory, load

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

    def land(
        self,
        op: str,
        lsn: int,
        row: str,
        before: str = "",
        *,
        without: str = "",
        spelled: tuple[str, str] = ("", ""),
        ahead_seconds: int = 0,
        key: int = 7,
    ) -> None:
        """Land a change of a customer, its images without a column, its commit ahead of Kafka.

        In the value the first text of `spelled` is replaced by the second.
        `tier=null` and the like break what is declared.
        """
        image = ROWS.row(row, (key,))
        event = Event(
            op=op,
            place=PostgresPlace(lsn, lsn - 1, 1),
            committed_ms=(lsn + ahead_seconds) * 1000,
            row=None if op == "d" else image,
            before=image if op == "d" else ROWS.row(before, (key,)) if before else None,
        )
        table = ROWS.table
        seen = replace(table, columns=tuple(c for c in table.columns if c.name != without))
        written, instead = (text.encode() for text in spelled)
        delivery = Delivery(
            key=key_bytes(image, table, "postgresql"),
            value=value_bytes(event, seen, "postgresql", "retail").replace(written, instead),
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
            select kafka_offset, _cdc_reject_reason, _cdc_unknown_columns
            from staging.quarantine
            where table_name = 'customers'
            """
        )
