"""`lakehouse doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

import os

import typer
from rich.console import Console
from rich.markup import escape

from ingestion.declarations import load
from ingestion.settings import Settings

_MARKS = {
    "ok": "[green]ok[/]",
    "attention": "[yellow]attention[/]",
    "broken": "[bold red]broken[/]",
    "skipped": "[dim]skipped[/]",
}


def doctor() -> None:
    """Check settings, programs, broker, connector, landing and warehouse; say what to do.

    Exit code 1 if something is broken.
    """
    from lakehouse.health.checks import check_all

    console = Console(highlight=False)
    broken = 0
    for result in check_all(Settings.from_environment(), load(), dict(os.environ)):
        broken += result.state == "broken"
        console.print(
            f"{_MARKS[result.state]} [bold]{result.name}[/]: {escape(result.found)}", soft_wrap=True
        )
        if result.advice:
            console.print(f"    → {escape(result.advice)}", soft_wrap=True)
    if broken:
        console.print(f"\n[bold red]{broken} broken[/]")
        raise typer.Exit(1)
