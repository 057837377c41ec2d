"""Are two tables equal, value for value? Rows as sets with counts, values as canonical text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from ingestion.errors import TerminalError

# Columns that tell which run wrote a row: equal data may have been read in other runs.
ARRIVAL = frozenset({"_cdc_run"})


class Database(Protocol):
    """One side of a comparison."""

    name: str

    def columns(self, schema: str) -> dict[str, tuple[str, ...]]:
        """Tables and views of a schema with their columns."""

    def rows(self, schema: str, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """All rows with these columns."""


@dataclass(frozen=True)
class Comparison:
    """What a table is on both sides: rows, and rows that only one side has (each list cut off)."""

    table: str
    columns: tuple[str, ...]
    first_rows: int
    second_rows: int
    only_first: tuple[tuple[str, ...], ...]
    only_second: tuple[tuple[str, ...], ...]
    differing: int

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.differing == 0


def canonical(value: Any) -> str:  # noqa: PLR0911 - one line per type
    """A value as text that is equal on every engine; null is `null`, which no text is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return repr(value) if isinstance(value, str) else str(value)


def compare(
    first: Database, second: Database, schema: str, table: str, limit: int = 5
) -> Comparison:
    """Compare `schema.table` of both sides; at most `limit` differing rows are kept of each.

    Raises:
        TerminalError: a side has no such table, or the columns differ; the message names them.
    """
    name = f"{schema}.{table}"
    sides = [_columns_of(side, schema, table) for side in (first, second)]
    if set(sides[0]) != set(sides[1]):
        raise TerminalError(
            f"{name}: only {first.name} has {sorted(set(sides[0]) - set(sides[1]))}, "
            f"only {second.name} has {sorted(set(sides[1]) - set(sides[0]))}"
        )
    columns = tuple(column for column in sides[0] if column not in ARRIVAL)
    rows = [
        Counter(tuple(map(canonical, row)) for row in side.rows(schema, table, columns))
        for side in (first, second)
    ]
    only_first, only_second = rows[0] - rows[1], rows[1] - rows[0]
    return Comparison(
        table=name,
        columns=columns,
        first_rows=rows[0].total(),
        second_rows=rows[1].total(),
        only_first=tuple(sorted(only_first.elements())[:limit]),
        only_second=tuple(sorted(only_second.elements())[:limit]),
        differing=only_first.total() + only_second.total(),
    )


def _columns_of(side: Database, schema: str, table: str) -> tuple[str, ...]:
    known = side.columns(schema)
    if table not in known:
        raise TerminalError(f"{side.name} has no table {schema}.{table}: build it there first")
    return known[table]
