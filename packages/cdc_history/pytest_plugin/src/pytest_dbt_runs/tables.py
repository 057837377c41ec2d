"""Rows of YAML as tables of DuckDB: put there, and compared with what dbt has made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import duckdb

from pytest_dbt_runs.cases import Case, CaseError, Given, MismatchError, Row

Types = dict[str, str]
"""Data types by column."""
_INFERRED = {
    bool: "boolean",
    int: "bigint",
    float: "double",
    datetime: "timestamp",
    date: "date",
}


def types_of(case: Case) -> dict[str, Types]:
    """The columns of each input: the types that the case names, else those of the first values."""
    found: dict[str, Types] = {}
    for given in (given for batch in case.batches for given in batch.given):
        types = found.setdefault(given.input, {})
        types |= given.types
        for name, value in (item for row in given.new_rows for item in row.items()):
            if name not in types and value is not None:
                types[name] = _INFERRED.get(type(value), "varchar")
    return found


def give(
    database: duckdb.DuckDBPyConnection, relation: tuple[str, str], given: Given, types: Types
) -> None:
    """Put the rows into the table that dbt will read. Raises CaseError where they do not fit."""
    table = _quoted(*relation)
    columns = list(dict.fromkeys(name for row in given.new_rows for name in row)) or list(types)
    if not columns:
        raise CaseError(f"{given.input} has neither rows nor types, so it has no columns")
    rows = _select(given.new_rows, columns, dict.fromkeys(columns, "varchar") | types)
    try:
        if given.append is None:
            database.execute(f"create schema if not exists {_quoted(relation[0])}")
            database.execute(f"create or replace table {table} as {rows}")
        else:
            names = ", ".join(_quoted(name) for name in columns)
            database.execute(f"insert into {table} ({names}) {rows}")
    except duckdb.Error as error:
        raise CaseError(f"the rows of {given.input}: {error}") from None


def compare(
    database: duckdb.DuckDBPyConnection,
    relation: tuple[str, str],
    expected: Sequence[Row],
    subject: str,
) -> None:
    """Raise MismatchError, with the rows in question, unless the table holds exactly these rows.

    Values are compared as the type that their column has in the table; rows in any order.
    """
    table = _quoted(*relation)
    try:
        described = database.execute(f"describe {table}").fetchall()
        types = {name: kind for name, kind, *_ in described}
        columns = list(expected[0]) if expected else list(types)
        if unknown := ", ".join(name for name in columns if name not in types):
            raise MismatchError(f"{subject} has no column {unknown}; it has {', '.join(types)}")
        names = ", ".join(_quoted(name) for name in columns)
        held, wanted = f"select {names} from {table}", _select(expected, columns, types)
        lacking = database.execute(f"({wanted}) except all ({held})").fetchall()
        unexpected = database.execute(f"({held}) except all ({wanted})").fetchall()
    except duckdb.Error as error:
        raise MismatchError(f"{subject} cannot be compared: {error}") from None
    if lacking or unexpected:
        raise MismatchError(
            f"{subject} lacks {len(lacking)} of {len(expected)} expected rows and has"
            f" {len(unexpected)} others\n{_drawn(columns, lacking, unexpected)}"
        )


def _select(rows: Sequence[Row], columns: Sequence[str], types: Types) -> str:
    """SQL of the rows, without any for no rows; a column that a row does not name is null."""
    selects = [
        ", ".join(
            f"cast({_literal(row.get(name))} as {types[name]}) as {_quoted(name)}"
            for name in columns
        )
        for row in rows or [{}]
    ]
    return "\nunion all\n".join(f"(select {row}{'' if rows else ' limit 0'})" for row in selects)


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
    return "'" + text.replace("'", "''") + "'"


def _quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _drawn(
    columns: Sequence[str], lacking: Iterable[Sequence[Any]], unexpected: Iterable[Sequence[Any]]
) -> str:
    """Both kinds of rows as one table, so sorted that what differs little is side by side."""
    marked = [("lacks", *row) for row in lacking] + [("has", *row) for row in unexpected]
    marked.sort(key=lambda row: (str(row[1:]), row[0]))
    lines = [("", *columns), *(["null" if v is None else str(v) for v in row] for row in marked)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
