"""`lakehouse query`: rows of the warehouse on this machine, while it is built too."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ingestion.errors import UsageError
from lakehouse.console import AsJson, show_json, show_table
from lakehouse.settings import CommandSettings


def query(
    sql: Annotated[
        str,
        typer.Argument(help="A select statement of DuckDB, or the name of a query in analyses/."),
    ],
    as_json: AsJson = False,
) -> None:
    """Print the rows of a query on the local warehouse (target local).

    Beside `lakehouse run` it reads what was published last, and delays nothing.
    """
    import duckdb

    from lakehouse.dbt import project
    from lakehouse.reconcile.run import open_warehouse

    settings = CommandSettings.from_environment()
    if (project() / "analyses" / f"{sql}.sql").exists():
        sql = _compiled(sql, settings.duckdb.name)
    with open_warehouse(settings.readable_duckdb) as connection:
        try:
            found = connection.execute(sql)
        except duckdb.Error as error:
            raise UsageError(str(error)) from error
        columns = [column for column, *_ in found.description or ()]
        rows = found.fetchall()
    if as_json:
        show_json({"columns": columns, "rows": [[_cell(value) for value in row] for row in rows]})
    else:
        show_table(columns, [["" if cell is None else str(cell) for cell in row] for row in rows])


def _compiled(analysis: str, name: str) -> str:
    """The query of `analysis` on a warehouse file of this name.

    Compiled beside an empty one, because dbt opens to write what it compiles for.
    """
    from lakehouse import dbt

    with TemporaryDirectory() as folder:
        os.environ |= {"LAKEHOUSE_DUCKDB": f"{folder}/{name}", "DBT_TARGET_PATH": folder}
        try:
            return dbt.compiled(analysis)
        finally:
            dbt.let_go()


def _cell(value: object) -> object:
    """What JSON has a form for as it is, all else as its text."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
