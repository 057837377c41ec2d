"""Made-up changes of every declared table, as both connectors write them.

Rows are random by their declared type, with keys from a small range, so that rows meet in
the marts' joins; each row's life is inserts, updates, deletes and re-inserts in the source's order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ingestion.declarations import Column, Declarations, Table
from ingestion.settings import ConnectorName
from lakehouse.source.envelopes import Event, Row, Value, key_bytes, value_bytes
from lakehouse.source.positions import PostgresPlace, SqlServerPlace
from tests.redshift.lake import Message

_START = datetime(2024, 3, 1, tzinfo=UTC)
# Blanks at the end, quotes, separators of the hashes, characters of two, three and four bytes.
_TEXTS = ("", "a ", "a", "Zoë", "~|\\", '"quoted"', "日本", "😀x", "O'Hara", "null")
_FIXED = {
    "time_zone": ("Europe/London", "America/New_York", "Mars/Olympus"),
    "currency_code": ("GBP", "EUR", "USD"),
    "country_code": ("GB", "DE"),
    "status": ("placed", "paid", "shipped"),
    "kind": ("charge", "refund"),
    "tier": ("bronze", "silver"),
}


class Changes:
    """An endless source of changes for the tables of `declarations`, the same for one seed."""

    def __init__(self, declarations: Declarations, connector: ConnectorName, seed: int) -> None:
        self._declarations = declarations
        self._connector = connector
        self._random = random.Random(seed)
        self._rows: dict[tuple[str, tuple[Value, ...]], Row | None] = {}
        self._log = 1000
        self._snapshot_done = False

    def snapshot(self, rows_per_table: int = 3) -> Iterator[Message]:
        """Reads of an initial snapshot, all at one place of the log."""
        place = (
            SqlServerPlace(self._log)
            if self._connector == "sqlserver"
            else PostgresPlace(self._log)
        )
        for table in self._declarations.tables:
            for _ in range(rows_per_table):
                row = self._row(table)
                identity = (table.name, tuple(row[name] for name in table.primary_key))
                if identity in self._rows:
                    continue
                self._rows[identity] = row
                yield self._message(table, Event("r", place, self._now(), row, None, "true"), row)

    def stream(self, changes_per_table: int) -> Iterator[Message]:
        """Committed changes, a transaction each; a delete is followed by its tombstone."""
        for _ in range(changes_per_table):
            for table in self._declarations.tables:
                yield from self._change(table)

    def _change(self, table: Table) -> Iterator[Message]:
        row = self._row(table)
        identity = (table.name, tuple(row[name] for name in table.primary_key))
        before = self._rows.get(identity)
        commit_before = self._log
        self._log += self._random.randint(2, 50)
        op = "c" if before is None else self._random.choice("uuud")
        place = (
            SqlServerPlace(self._log, self._log - 1, 2)
            if self._connector == "sqlserver"
            else PostgresPlace(self._log, commit_before, 1)
        )
        after = None if op == "d" else row
        self._rows[identity] = after
        event = Event(op, place, self._now(), after, before, transaction=self._log)
        message = self._message(table, event, row)
        yield message
        if op == "d":
            yield Message(table.name, message.key, None, message.partition, message.timestamp_ms)

    def _message(self, table: Table, event: Event, row: Row) -> Message:
        prefix = self._declarations.connectors[self._connector].topic_prefix
        key = key_bytes(row, table, self._connector)
        return Message(
            table=table.name,
            key=key,
            value=value_bytes(event, table, self._connector, prefix),
            partition=sum(key) % 2,
            timestamp_ms=event.committed_ms + 500,
        )

    def _now(self) -> int:
        return int(_START.timestamp() * 1000) + self._log * 61_003

    def _row(self, table: Table) -> dict[str, Value]:
        row = {column.name: self._value(table, column) for column in table.columns}
        if table.name == "orders" and row["order_id"] in (1, 3):
            # of so few orders each would be cancelled once
            row["cancelled_at"] = None
        return row

    def _value(self, table: Table, column: Column) -> Value:
        choose = self._random
        is_key = column.name in table.primary_key or column.name.endswith("_id")
        if is_key and column.type.name != "varchar":
            return choose.randint(1, 4)
        if column.nullable and choose.random() < 0.2:
            return None
        if column.name in _FIXED:
            return choose.choice(_FIXED[column.name])
        return self._by_type(column)

    def _by_type(self, column: Column) -> Value:
        choose, kind = self._random, column.type
        if kind.name in ("smallint", "integer", "bigint"):
            return choose.randint(0, 5)
        if kind.name == "decimal":
            scale = kind.scale or 0
            return Decimal(choose.randint(0, 10 ** min(6, kind.precision or 6) - 1)).scaleb(-scale)
        if kind.name == "boolean":
            return choose.random() < 0.5
        moment = _START.replace(tzinfo=None) + timedelta(seconds=choose.randint(0, 5_000_000))
        if kind.name == "date":
            return date(moment.year, moment.month, moment.day)
        if kind.name == "timestamp":
            return moment.replace(microsecond=choose.choice((0, 123456, 999000)))
        return choose.choice(_TEXTS)[: kind.length]
