"""`lakehouse rebuild` and `lakehouse diff`: history again from landing, beside the live one first.

The work is dbt's: a build with `--vars '{side: …}'` into side schemas, then the operations of
macros/rebuild. Both run on every target that dbt knows.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ingestion.declarations import TENANT, Declarations, Table, load
from ingestion.errors import RefusedError, TerminalError
from lakehouse.console import Tenant
from lakehouse.dbt import Dbt
from lakehouse.dbt_files import staging_view
from lakehouse.source.tenants import of_tenant

Target = Annotated[str, typer.Option("--target", "-t", help="dbt target; the profile's default.")]
Side = Annotated[str, typer.Option(help="Prefix of the side schemas (<side>_history, …).")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Only this key, e.g. customer_id=42 or order_id=7,line_no=1."),
]

Part = dict[str, Any]
"""dbt's variables that limit what is done to some keys, or to a tenant; empty for all."""


def rebuild(
    tables: Annotated[list[str], typer.Argument(help="Declared tables.")],
    key: Keys = None,
    as_of: Annotated[
        str,
        typer.Option(
            help="Only what was committed up to here: a SQL Server commit_lsn, a PostgreSQL LSN at "
            "the end of a transaction, or a UTC time. Cannot be swapped in."
        ),
    ] = "",
    swap: Annotated[
        bool, typer.Option(help="After the diff, put the rebuilt tables in the live ones' place.")
    ] = False,
    accept_loss: Annotated[
        bool, typer.Option(help="With --swap: even if landing no longer holds all live records.")
    ] = False,
    side: Side = "rebuild",
    tenant: Tenant = "",
    target: Target = "",
) -> None:
    """Build logs and histories again from landing into side schemas, and show what differs."""
    if as_of and swap:
        raise TerminalError("a rebuild as of an earlier moment is for looking at: drop --swap")
    declared = load()
    part = _part(declared, key, tenant)
    variables: dict[str, Any] = {"side": side, **part}
    if as_of:
        variables["as_of"] = as_of
    selected = declared.select(tables)
    dbt = Dbt(target, variables)
    for table in selected:
        nodes = [f"{table.name}__log", staging_view(table)]
        nodes += [f"{table.name}_history"] if table.history == "all" else []
        options = ["--full-refresh", "--exclude-resource-type", "test", "unit_test"]
        dbt.run("build", *options, "--select", *nodes, variables=variables)
        if table.history == "all":
            _diff(dbt, table, "live", side, part)
        if swap:
            _swap(dbt, {"table": table.name, "side": side, "accept_loss": accept_loss}, part)
            _operation(dbt, "drop_side", {"side": side}, {})


def diff(
    tables: Annotated[list[str], typer.Argument(help="Declared tables with history: all.")],
    left: Annotated[str, typer.Option(help="'live' or the name of a side build.")] = "live",
    right: Annotated[str, typer.Option(help="'live' or the name of a side build.")] = "rebuild",
    key: Keys = None,
    tenant: Tenant = "",
    target: Target = "",
) -> None:
    """Show the versions that differ between two histories: opened, closed, moved."""
    declared = load()
    selected = declared.select(tables)
    part = _part(declared, key, tenant)
    dbt = Dbt(target, part)
    for table in selected:
        _diff(dbt, table, left, right, part)


def _diff(dbt: Dbt, table: Table, left: str, right: str, part: Part) -> None:
    if table.history != "all":
        raise TerminalError(f"table {table.name} keeps no history (it is declared as current)")
    _operation(dbt, "history_diff", {"table": table.name, "left": left, "right": right}, part)


def _swap(dbt: Dbt, arguments: dict[str, Any], part: Part) -> None:
    """Raises RefusedError where only a person can decide: its message names the option."""
    try:
        _operation(dbt, "swap_rebuilt", arguments, part)
    except TerminalError as error:
        if "--accept-loss" in str(error):
            raise RefusedError(str(error)) from error
        raise


def _operation(dbt: Dbt, name: str, arguments: dict[str, Any], part: Part) -> None:
    dbt.run("run-operation", name, "--args", json.dumps(arguments), variables=part)


def _part(declared: Declarations, keys: list[str] | None, tenant: str) -> Part:
    """Raises TerminalError where there is no such tenant."""
    part: Part = {TENANT: of_tenant(declared, tenant).tenant} if tenant else {}
    # a key of the warehouse has the tenant, which --tenant says
    return part | ({"keys": [part | parse_key(text) for text in keys]} if keys else {})


def parse_key(text: str) -> dict[str, str]:
    """The values of a key by column; TerminalError where the text is none."""
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name and separator for name, separator, _ in parts):
        raise TerminalError(f"key {text!r}: expected column=value, several separated by commas")
    return {name.strip(): value for name, _, value in parts}
