"""Keys of which upper and lower case are one, as `collation: case_insensitive` declares them.

SQL Server's default collation compares so. Which letters are one is the table in dbt_project.yml,
which macros/engine/case_folded.sql applies, too; docs/types.md says what it leaves out.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from ingestion.declarations import Column, Table
from lakehouse.console import ROOT


@cache
def _table() -> tuple[str, str]:
    """Letters, and in the same places what they become."""
    table = yaml.safe_load((ROOT / "dbt_project.yml").read_text("utf-8"))["vars"]["case_folding"]
    return table["letters"], table["folded"]


@cache
def _folding() -> dict[int, int]:
    return str.maketrans(*_table())


def folds(column: Column) -> bool:
    """Whether all spellings of a text are one as a key."""
    return column.collation == "case_insensitive"


def folded(value: Any, column: Column) -> Any:
    """The one spelling of a key's value."""
    if not folds(column) or not isinstance(value, str):
        return value
    return value.rstrip(" ").translate(_folding())


def compared_key(table: Table) -> tuple[str, ...]:
    """The names of the key's columns in staging views and history, as they are compared."""
    return tuple(
        f"_folded_{name}" if folds(table.column(name)) else name for name in table.primary_key
    )


def with_folded_key(table: Table) -> str:
    """SQL of DuckDB: all of a relation with the key, and the columns that `compared_key` adds."""
    letters, small = _table()
    return ", ".join(
        [
            "*",
            *(
                f"translate(rtrim({name}, ' '), '{letters}', '{small}') as {compared}"
                for name, compared in zip(table.primary_key, compared_key(table), strict=True)
                if name != compared
            ),
        ]
    )
