"""`lakehouse rebuild` and `lakehouse diff`: history again from landing, beside the live one first.

The work is dbt's: a build with `--vars '{side: …}'` into side schemas, then the operations of
macros/rebuild. Both run on every target that dbt knows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ingestion.declarations import Table, load
from ingestion.errors import TerminalError

Target = Annotated[str, typer.Option("--target", "-t", help="dbt target; the profile's default.")]
Side = Annotated[str, typer.Option(help="Prefix of the side schemas (<side>_history, …).")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Only this key, e.g. customer_id=42 or order_id=7,line_no=1."),
]


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
    target: Target = "",
) -> None:
    """Build logs and histories again from landing into side schemas, and show what differs."""
    if as_of and swap:
        raise TerminalError("a rebuild as of an earlier moment is for looking at: drop --swap")
    keys = [_parse_key(text) for text in key or []]
    for table in load().select(tables):
        variables: dict[str, Any] = {"side": side}
        if keys:
            variables["keys"] = keys
        if as_of:
            variables["as_of"] = as_of
        nodes = [f"{table.name}__log", f"stg_retail__{table.name}"]
        nodes += [f"{table.name}_history"] if table.history == "all" else []
        options = ["--full-refresh", "--exclude-resource-type", "test", "unit_test"]
        _dbt("build", *options, "--vars", json.dumps(variables), "--select", *nodes, target=target)
        if table.history == "all":
            _diff(table, "live", side, keys, target)
        if swap:
            _operation(
                "swap_rebuilt",
                {"table": table.name, "side": side, "accept_loss": accept_loss},
                keys,
                target,
            )
            _operation("drop_side", {"side": side}, [], target)


def diff(
    tables: Annotated[list[str], typer.Argument(help="Declared tables with history: all.")],
    left: Annotated[str, typer.Option(help="'live' or the name of a side build.")] = "live",
    right: Annotated[str, typer.Option(help="'live' or the name of a side build.")] = "rebuild",
    key: Keys = None,
    target: Target = "",
) -> None:
    """Show the versions that differ between two histories: opened, closed, moved."""
    for table in load().select(tables):
        _diff(table, left, right, [_parse_key(text) for text in key or []], target)


def _diff(table: Table, left: str, right: str, keys: list[dict[str, str]], target: str) -> None:
    if table.history != "all":
        raise TerminalError(f"table {table.name} keeps no history (it is declared as current)")
    _operation("history_diff", {"table": table.name, "left": left, "right": right}, keys, target)


def _operation(
    name: str, arguments: dict[str, Any], keys: list[dict[str, str]], target: str
) -> None:
    variables = ["--vars", json.dumps({"keys": keys})] if keys else []
    _dbt("run-operation", name, "--args", json.dumps(arguments), *variables, target=target)


def _dbt(*arguments: str, target: str) -> None:
    command = [str(Path(sys.executable).with_name("dbt")), "--quiet", *arguments]
    command += ["--target", target] if target else []
    if subprocess.run(command, check=False).returncode != 0:
        raise TerminalError(f"dbt {' '.join(arguments[:2])} failed; its messages are above")


def _parse_key(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if not all(name and separator for name, separator, _ in parts):
        raise TerminalError(f"key {text!r}: expected column=value, several separated by commas")
    return {name.strip(): value for name, _, value in parts}
