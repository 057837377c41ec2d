"""The edge of every command: what is printed where, and how it ends; docs/cli.md.

Results go to stdout, all else to stderr. A text is printed as it is: never read as markup, never
cut, and without colours where nobody watches (a pipe, NO_COLOR).
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingestion.declarations import SOURCE
from ingestion.errors import LakehouseError, RefusedError, UsageError

ROOT = Path(__file__).parents[1]
TITLE = f"{SOURCE.capitalize()} lakehouse"
# Packages that are imported when a command needs them: each is absent where that is never run.
OPTIONAL_PACKAGES = {
    "altair",
    "aws_msk_iam_sasl_signer",
    "boto3",
    "botocore",
    "certifi",
    "confluent_kafka",
    "dbt",
    "dbt_common",
    "duckdb",
    "jinja2",
    "packaging",
    "psycopg2",
    "py4j",
    "pyarrow",
    "pyspark",
    "pytds",
    "redshift_connector",
    "vl_convert",
}

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else on stdout.")
]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose, where the source has tenants.")]
OnTarget = Annotated[
    Literal["local", "dev", "qa", "prod"] | None,
    typer.Option(
        "--target",
        help="Whose warehouse: dbt's target; by default LAKEHOUSE_ENVIRONMENT's, else local.",
    ),
]
OnRedshift = Annotated[
    Literal["dev", "qa", "prod"],
    typer.Option("--target", envvar="LAKEHOUSE_ENVIRONMENT", help="dbt target on Redshift."),
]
Part = str | tuple[str, str]
"""A text, or a text and its style."""


class Exit(IntEnum):
    """How a command ends."""

    ERROR = 1
    """The command could not do its work."""
    USAGE = 2
    """The command line cannot be meant; Typer's, too."""
    ATTENTION = 3
    """It did its work, and has found something to look at."""
    REFUSED = 4
    """It did nothing, or not all, because history might suffer: a person decides."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """End the program where nobody reads its results; not where nobody reads what it notes."""
        if not self.stderr:
            super().on_broken_pipe()


def console(*, stderr: bool = False) -> Console:
    """A console that takes texts as they are, and is wide enough for any table."""
    return _Console(
        stderr=stderr,
        markup=False,
        emoji=False,
        highlight=False,
        width=10_000,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


def say(*parts: Part) -> None:
    """Print a line of a result."""
    console().print(Text.assemble(*parts), soft_wrap=True)


def note(*parts: Part) -> None:
    """Print a line that is no result: progress, advice, an error.

    Where it can go nowhere (a closed pipe, a full disk) the work goes on without it.
    """
    with suppress(OSError):
        console(stderr=True).print(Text.assemble(*parts), soft_wrap=True)


def show_table(
    headings: Sequence[str], rows: Iterable[Sequence[str | Text]], *, names: int = 100
) -> None:
    """Print a table as wide as its cells are; columns after the first `names` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < names else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console().print(table)


def show_json(document: Mapping[str, Any]) -> None:
    """Print a state for programs: dataclasses as objects, moments as ISO 8601."""
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    typer.echo(json.dumps(document, indent=2, ensure_ascii=not is_unicode, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else dataclasses.asdict(value)


def explained(error: Exception) -> str | None:
    """The error as a sentence for a person; None for one that nobody foresaw."""
    if isinstance(error, LakehouseError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in OPTIONAL_PACKAGES:
        return _elsewhere(f"the Python package {error.name}")
    if isinstance(error, FileNotFoundError) and error.filename:
        path = Path(os.fsdecode(error.filename))
        if path.parent == Path(sys.executable).parent:
            return _elsewhere(f"the program {path.name}")
        if path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "data"):
            return _elsewhere(f"the file {path.relative_to(ROOT)} of the project")
    return None


def _elsewhere(what: str) -> str:
    return (
        f"this needs {what}, which is not here (the image for AWS holds only what its tasks run): "
        "run it in a checkout of the project after `make setup`"
    )


def _lost_output(error: Exception) -> str | None:
    """That stdout takes no more, where that is why; what it has not taken is let go."""
    if not isinstance(error, OSError) or error.filename:
        return None
    try:
        sys.stdout.write("\n")  # the system's error names no file
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return f"the output could not be written: {error.strerror}"
    return None


def run(app: typer.Typer, name: str | None = None) -> None:
    """Run a command line; an error meant for people is a sentence, any other keeps its traceback.

    Raises:
        SystemExit: always, with the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name=name) if name else app()
        finally:
            sys.stdout.flush()
    except Exception as error:
        sentence = explained(error) or _lost_output(error)
        if sentence is None:
            raise
        note(("error:", "bold red"), " ", sentence)
        ends: dict[type[Exception], Exit]
        ends = {RefusedError: Exit.REFUSED, UsageError: Exit.USAGE}
        sys.exit(ends.get(type(error), Exit.ERROR))
