"""`lakehouse compare`: the warehouse on Redshift against the local one, value for value."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from ingestion.errors import TerminalError
from ingestion.settings import Settings

SCHEMAS = ("staging", "history", "marts")


def compare(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="schema.table; by default every table that the local warehouse has."),
    ] = None,
    target: Annotated[str, typer.Option(help="dbt target on Redshift: dev, qa or prod.")] = "prod",
    limit: Annotated[int, typer.Option(help="Differing rows to print of each side.")] = 5,
) -> None:
    """Compare target local with Redshift row by row, the number of the run aside.

    Both must have been built from the same records. Exits with 1 where a table differs, and prints
    the first rows that only one side has.
    """
    from lakehouse.warehouse.comparison import compare as compare_table
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.sides import DuckDbSide, RedshiftSide

    console = Console()
    first = DuckDbSide(Settings.from_environment().duckdb)
    second = RedshiftSide(Warehouse(WarehouseSettings.from_environment(target)))
    try:
        wanted = tables or [
            f"{schema}.{name}" for schema in SCHEMAS for name in first.columns(schema)
        ]
        different = []
        for name in wanted:
            schema, _, table = name.partition(".")
            if not table:
                raise TerminalError(f"{name!r} has no schema; write it as schema.table")
            found = compare_table(first, second, schema, table, limit)
            if found.is_equal:
                console.print(f"equal      {found.table}: {found.first_rows} rows")
                continue
            different.append(found.table)
            console.print(
                f"[bold red]different[/]  {found.table}: {found.first_rows} rows local, "
                f"{found.second_rows} on {target}, {found.differing} differ"
            )
            for side, rows in (("local", found.only_first), (target, found.only_second)):
                for row in rows:
                    pairs = ", ".join(
                        f"{column}={value}"
                        for column, value in zip(found.columns, row, strict=True)
                    )
                    console.print(f"  only {side}: {pairs}", highlight=False, soft_wrap=True)
    finally:
        first.close()
        second.close()
    if different:
        raise TerminalError(f"{len(different)} tables differ: {', '.join(different)}")
