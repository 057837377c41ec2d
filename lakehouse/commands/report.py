"""`lakehouse report`: the state of the lakehouse as one page that opens from disk."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ingestion.declarations import load
from lakehouse.commands.rebuild import parse_key
from lakehouse.console import OnTarget, say
from lakehouse.report.whole_file import write_whole
from lakehouse.settings import CommandSettings


def report(
    output: Annotated[
        Path, typer.Option(help="The file; in the folder of `lakehouse docs` they are one site.")
    ] = Path("data/docs/report.html"),
    key: Annotated[
        str,
        typer.Option(
            help="Write one customer's timeline instead, e.g. customer_id=42. It is personal data: "
            "the file is named after the key."
        ),
    ] = "",
    target: OnTarget = None,
) -> None:
    """Write what runs, freshness, tests, history, business and cost are, as one HTML file.

    It loads nothing from anywhere, shows its own age, and has no personal data but with --key.
    """
    if not key:
        write_report(output, target)
        return
    from lakehouse.report.timeline import timeline

    wanted = parse_key(key)
    text = timeline(CommandSettings.of_target(target), load(), wanted, datetime.now(UTC))
    _write(output.with_stem("_".join([output.stem, *wanted, *wanted.values()])), text)


def write_report(output: Path, target: str | None) -> None:
    """Write the report of a target; it has links to the site of `lakehouse docs` beside it."""
    from lakehouse.report.figures import read_figures
    from lakehouse.report.page import page

    figures = read_figures(CommandSettings.of_target(target), load(), datetime.now(UTC))
    _write(output, page(figures, has_docs=(output.parent / "catalog.html").exists()))


def _write(output: Path, text: str) -> None:
    write_whole(output, text)
    say(f"written: {output.resolve()}")
