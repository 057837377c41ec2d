"""The console command `lakehouse`: one subcommand per module of `lakehouse.commands`."""

from __future__ import annotations

import tomllib
from typing import Annotated

import typer

from lakehouse import console
from lakehouse.commands import (
    accept,
    connector,
    declarations,
    landing,
    reconcile,
    topics,
    warehouse,
)
from lakehouse.commands.compare import compare
from lakehouse.commands.docs import docs
from lakehouse.commands.doctor import doctor
from lakehouse.commands.init import init
from lakehouse.commands.land import land
from lakehouse.commands.notify import notify
from lakehouse.commands.onboard import onboard
from lakehouse.commands.query import query
from lakehouse.commands.rebuild import diff, rebuild
from lakehouse.commands.report import report
from lakehouse.commands.run import run
from lakehouse.commands.status import status
from lakehouse.commands.verify import verify
from lakehouse.settings import CommandSettings

app = typer.Typer(
    name="lakehouse",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.add_typer(declarations.app, name="declarations")
app.command()(onboard)
app.add_typer(connector.app, name="connector")
app.add_typer(topics.app, name="topics")
app.add_typer(warehouse.app, name="warehouse")
app.command()(land)
app.command()(run)
app.command()(query)
app.command()(docs)
app.add_typer(landing.app, name="landing")
app.command()(rebuild)
app.command()(diff)
app.command()(compare)
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(accept.app, name="accept")
app.command()(status)
app.command()(doctor)
app.command()(report)
app.command()(notify)
app.command()(verify)


def _show_version(asked: bool) -> None:
    if asked:
        # Read from the project, beside which this always runs: the image installs no metadata.
        project = tomllib.loads((console.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        release = CommandSettings.from_environment().release
        named = f", release {release}" if release else ""
        console.say(f"lakehouse {project['project']['version']}{named}")
        raise typer.Exit


@app.callback()
def lakehouse(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version, then stop."
        ),
    ] = False,
) -> None:
    """Land Debezium's change events and look after what follows from them.

    Settings are environment variables: see docs/settings.md. How commands end: see docs/cli.md.
    """


def main() -> None:
    """Run the command line."""
    console.run(app, "lakehouse")
