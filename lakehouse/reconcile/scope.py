"""What of a table is compared, and the SQL that the comparisons share.

Columns that are not the table's own begin with an underscore, which no declared column does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.declarations import Column, Table

if TYPE_CHECKING:
    import duckdb

SHOWN = 20
"""Differing keys of a table that are shown."""

# As the connector's transform does it (infra/connectors/transforms): lower-case hex of SHA-256 over
# the salt's and the value's UTF-8, cut to the column's length; null stays null.
_HASHED = "left(sha256('{salt}' || {column}), {length})"


@dataclass(frozen=True)
class Scope:
    """Which columns of a table are compared, and how the source's values are made comparable."""

    table: Table
    salt: str

    @property
    def columns(self) -> tuple[Column, ...]:
        """The compared columns: all landed ones, hashed ones only where the salt is known."""
        return tuple(
            column for column in self.table.landed_columns if column.pii != "hash" or self.salt
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The compared columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Landed columns that cannot be compared, as table.column."""
        return tuple(
            f"{self.table.name}.{column.name}"
            for column in self.table.landed_columns
            if column not in self.columns
        )

    def source_value(self, column: Column) -> str:
        """SQL: the source's text as the value that the warehouse should hold."""
        if column.pii == "hash":
            salt = self.salt.replace("'", "''")
            return _HASHED.format(salt=salt, column=column.name, length=column.type.length)
        return f"cast({column.name} as {column.type})"


def differs(names: Sequence[str]) -> str:
    """SQL: whether a row of `source` and one of `warehouse` differ in one of `names`."""
    return " or ".join(f"source.{name} is distinct from warehouse.{name}" for name in names)


def key_text(names: Sequence[str], key: Sequence[object]) -> str:
    """A key as people read it."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))


def only_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The single row of `query`."""
    return tuple(connection.execute(query).fetchone() or ())
