"""`lakehouse declarations`: check the declared tables, and write the dbt files that follow from them."""

from __future__ import annotations

import typer
from rich.console import Console

from ingestion.declarations import load

app = typer.Typer(
    no_args_is_help=True, help="Check the declared tables and what follows from them."
)


@app.command()
def check() -> None:
    """Validate the declarations; each mistake names file, table, column and the allowed values."""
    declarations = load()
    columns = sum(len(table.columns) for table in declarations.tables)
    Console().print(f"{len(declarations.tables)} tables with {columns} columns: valid")
