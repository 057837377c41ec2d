"""`lakehouse compare`: the warehouse on Redshift against the local one, value for value."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion.errors import TerminalError
from lakehouse.console import AsJson, Exit, OnRedshift, note, say, show_json
from lakehouse.settings import CommandSettings

if TYPE_CHECKING:
    from lakehouse.warehouse.comparison import Comparison

SCHEMAS = ("staging", "history", "marts")


def compare(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="schema.table; by default every table that the local warehouse has."),
    ] = None,
    target: OnRedshift = "prod",
    limit: Annotated[int, typer.Option(help="Differing rows to print of each side.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Compare target local with Redshift row by row, the number of the run aside.

    Both must have been built from the same records. Exits with 3 where a table differs, and prints
    the first rows that only one side has.
    """
    from lakehouse.warehouse.comparison import compare as compare_table
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.sides import DuckDbSide, RedshiftSide

    found, settings = [], WarehouseSettings.from_environment(target)
    with (
        closing(DuckDbSide(CommandSettings.from_environment().readable_duckdb)) as first,
        closing(RedshiftSide(Warehouse(settings))) as second,
    ):
        wanted = tables or [
            f"{schema}.{name}" for schema in SCHEMAS for name in first.columns(schema)
        ]
        for name in wanted:
            schema, _, table = name.partition(".")
            if not table:
                raise TerminalError(f"{name!r} has no schema; write it as schema.table")
            found.append(compare_table(first, second, schema, table, limit))
            if not as_json:
                _show(found[-1], target)
    if as_json:
        show_json({"target": target, "tables": found})
    different = [comparison.table for comparison in found if not comparison.is_equal]
    if different:
        note(f"{len(different)} tables differ: {', '.join(different)}")
        raise typer.Exit(Exit.ATTENTION)


def _show(found: Comparison, target: str) -> None:
    if found.is_equal:
        say(f"equal      {found.table}: {found.first_rows} rows")
        return
    say(
        ("different", "bold red"),
        f"  {found.table}: {found.first_rows} rows local, "
        f"{found.second_rows} on {target}, {found.differing} differ",
    )
    for side, rows in (("local", found.only_first), (target, found.only_second)):
        for row in rows:
            pairs = zip(found.columns, row, strict=True)
            say(f"  only {side}: " + ", ".join(f"{column}={value}" for column, value in pairs))
