"""The console command `lakehouse`: one subcommand a module of `lakehouse.commands`."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from ingestion.errors import LakehouseError
from lakehouse.commands import connector, declarations, landing, topics, warehouse
from lakehouse.commands.compare import compare
from lakehouse.commands.docs import docs
from lakehouse.commands.doctor import doctor
from lakehouse.commands.land import land
from lakehouse.commands.rebuild import diff, rebuild
from lakehouse.commands.reconcile import reconcile
from lakehouse.commands.status import status

app = typer.Typer(
    name="lakehouse",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "Land Debezium's change events and look after what follows from them. "
        "Settings are environment variables: see docs/settings.md."
    ),
)
app.add_typer(declarations.app, name="declarations")
app.add_typer(connector.app, name="connector")
app.add_typer(topics.app, name="topics")
app.add_typer(warehouse.app, name="warehouse")
app.command()(land)
app.command()(docs)
app.add_typer(landing.app, name="landing")
app.command()(rebuild)
app.command()(diff)
app.command()(compare)
app.command()(reconcile)
app.command()(status)
app.command()(doctor)


def main() -> None:
    """Run the command line; an error meant for people is printed as a sentence, exit code 1."""
    try:
        app()
    except LakehouseError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
