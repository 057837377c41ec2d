"""`lakehouse declarations`: check the declared tables and write what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingestion.declarations import load
from lakehouse.console import AsJson, Exit, note, say, show_json
from lakehouse.dbt_files import out_of_date, remove_files, render, undeclared, write_files
from lakehouse.source.connectors import check_places

app = typer.Typer(
    no_args_is_help=True, help="Check the declared tables and what follows from them."
)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Validate the declarations; each mistake names file, table, column and the allowed values."""
    declarations = load()
    check_places(declarations)
    columns = sum(len(table.columns) for table in declarations.tables)
    if as_json:
        show_json({"valid": True, "tables": len(declarations.tables), "columns": columns})
    else:
        say(f"{len(declarations.tables)} tables with {columns} columns: valid")


@app.command()
def generate(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 3 when a file is out of date.")
    ] = False,
) -> None:
    """Write the dbt files that follow from the declarations: logs, staging, histories, docs."""
    files = render(load())
    stale, left = out_of_date(files, Path()), undeclared(files, Path())
    if (stale or left) and check_only:
        for what, paths in (("out of date", stale), ("of tables no longer declared", left)):
            if paths:
                say(f"{what}: {', '.join(map(str, paths))}")
        note("Run `lakehouse declarations generate`.")
        raise typer.Exit(Exit.ATTENTION)
    write_files(stale, Path())
    remove_files(left, Path())
    if not stale and not left:
        say("every generated file is up to date")
