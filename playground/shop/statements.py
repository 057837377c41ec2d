"""What a transaction of the shop consists of, as values, and how PostgreSQL executes it.

A statement writes any number of rows of one table. Many rows travel as one JSON parameter, which
PostgreSQL types after the table itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2's own name

from ingestion.declarations import Declarations, Table
from ingestion.errors import TerminalError
from playground.shop.schema import sql_type

Value = str | int | bool | None
Row = Mapping[str, Value]
"""Column names to values; decimals and times as text."""


@dataclass(frozen=True)
class Insert:
    """Insert `rows`; columns that a row leaves out become null."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Update:
    """Set the columns that `rows` hold beside the primary key, which every row holds too."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Rekey:
    """Change primary keys: `rows` hold the new key columns and each old one as `old_<column>`."""

    table: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Delete:
    """Delete the rows with the primary keys in `rows`."""

    table: str
    rows: Sequence[Row]


Change = Insert | Update | Rekey | Delete


@dataclass(frozen=True)
class Undone:
    """Changes made after a savepoint and rolled back to it, while the transaction goes on."""

    changes: Sequence[Change]


Statement = Change | Undone

OPERATIONS: Mapping[type[Change], str] = {Insert: "c", Update: "u", Rekey: "u", Delete: "d"}


def execute(cursor: Cursor, statement: Statement, declarations: Declarations) -> None:
    """Execute `statement`.

    Raises:
        TerminalError: it met fewer rows than it names, so the simulator's books and the database
            no longer agree.
    """
    if isinstance(statement, Undone):
        cursor.execute("savepoint change_of_mind")
        for change in statement.changes:
            execute(cursor, change, declarations)
        cursor.execute("rollback to savepoint change_of_mind")
        return
    cursor.execute(*render(statement, declarations.table(statement.table)))
    if cursor.rowcount != len(statement.rows):
        raise TerminalError(
            f"shop: {type(statement).__name__.lower()} of {len(statement.rows)} rows of "
            f"{statement.table} met {cursor.rowcount}: somebody else changes this shop, or its "
            "books are stale; start the simulator anew"
        )


def script(cursor: Cursor, change: Change, declarations: Declarations) -> bytes:
    """The text of `change` with its rows in it, to be sent together with others."""
    return cursor.mogrify(*render(change, declarations.table(change.table)))


def render(change: Change, table: Table) -> tuple[str, Sequence[object]]:
    """The SQL of `change` and its parameters: a row's values, or many rows as one JSON array."""
    if len(change.rows) == 1:
        return _render_one(change, change.rows[0], table)
    return _render_many(change, table), (json.dumps(list(change.rows), ensure_ascii=False),)


def _render_one(change: Change, row: Row, table: Table) -> tuple[str, Sequence[object]]:
    """Plain SQL, which PostgreSQL plans in a fraction of the time."""
    name = f"public.{table.name}"
    if isinstance(change, Insert):
        places = ", ".join(["%s"] * len(row))
        return f"insert into {name} ({', '.join(row)}) values ({places})", list(row.values())
    prefix = "old_" if isinstance(change, Rekey) else ""
    match = " and ".join(f"{column} = %s" for column in table.primary_key)
    keys = [row[prefix + column] for column in table.primary_key]
    if isinstance(change, Delete):
        return f"delete from {name} where {match}", keys
    changed = _changed(change, table)
    values = ", ".join(f"{column} = %s" for column in changed)
    return f"update {name} set {values} where {match}", [*(row[one] for one in changed), *keys]


def _render_many(change: Change, table: Table) -> str:
    name = f"public.{table.name}"
    rows = f"json_populate_recordset(null::{name}, %s)"
    if isinstance(change, Insert):
        return f"insert into {name} select * from {rows}"
    prefix = "old_" if isinstance(change, Rekey) else ""
    match = " and ".join(f"row.{column} = change.{prefix}{column}" for column in table.primary_key)
    if isinstance(change, Delete):
        return f"delete from {name} as row using {rows} as change where {match}"
    if isinstance(change, Rekey):
        shape = ", ".join(f"{column} {_type(column, table)}" for column in change.rows[0])
        rows = f"json_to_recordset(%s) as change({shape})"
    else:
        rows = f"{rows} as change"
    values = ", ".join(f"{column} = change.{column}" for column in _changed(change, table))
    return f"update {name} as row set {values} from {rows} where {match}"


def _changed(change: Update | Rekey, table: Table) -> list[str]:
    """The columns that an update sets."""
    if isinstance(change, Rekey):
        return [column for column in change.rows[0] if not column.startswith("old_")]
    return [column for column in change.rows[0] if column not in table.primary_key]


def _type(name: str, table: Table) -> str:
    return sql_type(table.column(name.removeprefix("old_")))
