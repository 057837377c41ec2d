"""`lakehouse accept`: what data tests have told, accepted by a person."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion.declarations import load
from ingestion.errors import RefusedError, TerminalError
from lakehouse.commands.rebuild import parse_key
from lakehouse.console import AsJson, Exit, note, say, show_json, show_table
from lakehouse.settings import CommandSettings

if TYPE_CHECKING:
    from lakehouse.health.acceptances import Finding, Findings, Kind

app = typer.Typer(
    no_args_is_help=True,
    help="Accept what data tests have told: a lost change, a garbage record, another column.",
)

_LONGEST = 250


def _said(text: str) -> str:
    text = text.strip()
    # Redshift reads a backslash as the beginning of an escape, DuckDB does not.
    if not text or len(text.encode()) > _LONGEST or "\\" in text:
        raise typer.BadParameter(f"a text of 1 to {_LONGEST} bytes without a backslash")
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise TerminalError("this user has no name here: say who accepts it by --by") from error


TableName = Annotated[str, typer.Argument(help="A declared table.")]
Reason = Annotated[
    str, typer.Option(callback=_said, help="Why it is accepted, for those who ask later.")
]
By = Annotated[str, typer.Option(callback=_said, default_factory=_user, help="Who accepts it.")]
All = Annotated[bool, typer.Option("--all", help="All that is open of the table.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show what is open since the last build's tests, and what was accepted.

    Exit code 3 if something is open.
    """
    with _findings(write=False) as findings:
        still_open, accepted = findings.open(), findings.accepted()
    if as_json:
        show_json({"open": still_open, "accepted": accepted})
    else:
        show_table(("open", "table", "which", "what"), map(_cells, still_open))
        show_table(
            ("accepted", "which", "when", "by", "reason"),
            (
                (a.relation, a.finding, f"{a.accepted_at:%Y-%m-%d %H:%M}", a.accepted_by, a.reason)
                for a in accepted
            ),
        )
    if still_open:
        raise typer.Exit(Exit.ATTENTION)


@app.command("break")
def break_(
    table: TableName,
    reason: Reason,
    by: By,
    key: Annotated[
        list[str] | None,
        typer.Option(help="The row's key, e.g. customer_id=42 or order_id=7,line_no=1."),
    ] = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Accept that changes are lost: the breaks in the chain of a row's before images."""
    keys = [parse_key(text) for text in key or []]
    _accept(table, "break", lambda found: all_ or found.key in keys, (reason, by), as_json)


@app.command()
def record(
    table: TableName,
    reason: Reason,
    by: By,
    at: Annotated[
        list[str] | None,
        typer.Option(help="The record's coordinates: incarnation/partition/offset."),
    ] = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Accept records as they are: garbage in quarantine, or a commit time in the future."""
    names = set(at or [])
    _accept(table, "record", lambda found: all_ or found.name in names, (reason, by), as_json)


@app.command()
def drift(
    table: TableName,
    reason: Reason,
    by: By,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="As `accept list` shows it, e.g. unknown:Phone2; of a tenant fr/missing:Fax."
        ),
    ] = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Accept that the source has other columns than the declaration, as they are now."""
    names = set(columns or [])
    _accept(table, "drift", lambda found: all_ or found.name in names, (reason, by), as_json)


def _accept(
    table: str,
    kind: Kind,
    is_meant: Callable[[Finding], bool],
    said: tuple[str, str],
    as_json: bool,
) -> None:
    load().select([table])
    with _findings(write=True) as findings:
        known = [each for each in findings.open() if (each.table, each.kind) == (table, kind)]
        meant = [each for each in known if is_meant(each)]
        if not meant:
            which = "; ".join(_cells(each)[2] for each in known[:5]) or "none"
            raise RefusedError(
                f"{table} has no such open {kind}. Open are: {which}. "
                "All are shown by `lakehouse accept list`"
            )
        findings.accept(meant, *said)
    if as_json:
        show_json({"accepted": meant})
    else:
        for each in meant:
            say(f"accepted: {' '.join(_cells(each))}")
    note("the data tests of the next build no longer tell of it")


def _cells(found: Finding) -> tuple[str, str, str, str]:
    which = ",".join(f"{name}={value}" for name, value in found.key.items()) or found.name
    return found.kind, found.table, which, found.what


def _findings(*, write: bool) -> AbstractContextManager[Findings]:
    from lakehouse.health.acceptances import open_findings

    return open_findings(CommandSettings.from_environment(), load(), write=write)
