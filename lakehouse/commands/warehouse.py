"""`lakehouse warehouse`: Redshift's streams and roles, their deployment and their state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion.declarations import load
from ingestion.settings import Settings
from lakehouse.console import AsJson, Exit, OnRedshift, note, say, show_json, show_table
from lakehouse.warehouse.streams import STALE_SECONDS

if TYPE_CHECKING:
    from lakehouse.warehouse.connection import Warehouse
    from lakehouse.warehouse.plan import Plan

app = typer.Typer(
    no_args_is_help=True, help="Deploy the streams and roles on Redshift, and look after them."
)
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Send nothing; exit with 3 when there is something to send."),
]


@app.command()
def deploy(target: OnRedshift = "prod", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make what dbt's models read: external tables, streaming views, roles, grants, masks.

    Each statement is printed before it is sent. A second time there is nothing to do.
    """
    from lakehouse.warehouse.deployment import deploy_warehouse

    # Redshift's own defaults (docs/redshift.md); what the environment says comes first.
    on_aws = {"LAKEHOUSE_KAFKA_AUTH": "iam", "LAKEHOUSE_SOURCE": "sqlserver"}
    settings = Settings.from_environment({**on_aws, **os.environ})
    with _plan(target, dry_run, as_json) as plan:
        deploy_warehouse(plan, load(), settings)


@app.command()
def access(target: OnRedshift = "prod", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make users, roles, grants, masks and dbt's ownership alone, after new marts were built.

    Analysts do not read a table whose masks cannot be attached: the command ends with an error, and
    has done all else.
    """
    from lakehouse.warehouse.access import deploy_access

    with _plan(target, dry_run, as_json) as plan:
        deploy_access(plan)


@app.command()
def archive(target: OnRedshift = "prod", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Empty the streaming views into their archives, and the archives of what landing holds."""
    from lakehouse.warehouse.streaming_views import archive_streams

    with _plan(target, dry_run, as_json) as plan:
        archive_streams(plan, load())


@app.command()
def status(
    target: OnRedshift = "prod",
    stale_minutes: Annotated[
        int, typer.Option(min=1, help="A last refresh that is older asks for attention.")
    ] = STALE_SECONDS // 60,
    as_json: AsJson = False,
) -> None:
    """Show each streaming view: refreshes, lag in seconds, rows, how far log and landing are.

    `waiting` are streamed records that no run can read yet: they lie behind a gap, and are read as
    soon as the landing ledger covers it. Exits with 3 when a declared table has no view in sight,
    a last refresh failed or is too long ago, or automatic refreshes are off.
    """
    from lakehouse.warehouse.streams import stream_problems, stream_states

    declarations = load()
    with _open(target) as warehouse:
        states = stream_states(warehouse, declarations)
    problems = stream_problems(states, declarations, 60 * stale_minutes)
    if as_json:
        show_json({"target": target, "views": states, "problems": problems})
    else:
        headings = ("view", "auto refresh", "last refresh", "status")
        counts = ("lag", "rows", "in the log", "waiting")
        show_table((*headings, *counts), [state.cells() for state in states])
    for problem in problems:
        note(problem)
    if problems:
        note("See docs/runbooks/redshift_streaming_view.md")
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def measure(target: OnRedshift = "prod") -> None:
    """Print the warehouse's metrics, and put them into CloudWatch where there is one.

    The alarms on streaming views, quarantine, drift and stale marts look at them; a schedule runs
    this. Automatic refreshes that it finds off are turned on again. Redshift shows the views and
    errors of all to an administrator only.
    """
    from ingestion.metrics import open_metrics
    from lakehouse.warehouse.measurements import measurements
    from lakehouse.warehouse.plan import Plan
    from lakehouse.warehouse.streaming_views import resume_refreshes

    with _open(target) as warehouse:
        found = measurements(warehouse, load())
        for name, value in found.items():
            say(f"{name} {value:g}")
        metrics = open_metrics(Settings.from_environment())
        if metrics is None:
            note("LAKEHOUSE_METRICS_NAMESPACE is not set: nothing is put into CloudWatch")
        else:
            metrics.put(found)
        resume_refreshes(Plan(warehouse, dry_run=False, show=lambda each: say(f"{each}\n")))


@app.command()
def refresh(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Declared tables; all by default.")
    ] = None,
    wait: Annotated[
        int,
        typer.Option(min=0, help="Seconds that automatic refreshes may take to end, in all."),
    ] = 300,
    target: OnRedshift = "prod",
) -> None:
    """Refresh streaming views now; automatic refreshes go on as they are.

    One that runs is waited for. Only a view's owner may refresh it.
    """
    from lakehouse.warehouse.streams import refresh_streams

    chosen = load().select(tables or [])
    with _open(target) as warehouse:
        for view in refresh_streams(warehouse, [table.name for table in chosen], wait):
            say(f"refreshed {view}")


@app.command()
def grants(target: OnRedshift = "prod", as_json: AsJson = False) -> None:
    """Show who may do what: roles, members, schemas, and what analyst reads and sees masked."""
    from lakehouse.warehouse.sessions import is_superuser
    from lakehouse.warehouse.streams import grant_rows

    with _open(target) as warehouse:
        rows, sees_all = grant_rows(warehouse), is_superuser(warehouse)
    headings = ("role", "what", "on")
    if as_json:
        grants = [dict(zip(headings, row, strict=True)) for row in rows]
        show_json({"target": target, "grants": grants, "shows_all_users": sees_all})
    else:
        show_table(headings, rows)
    if not sees_all:
        note(
            "only what is this user's own is shown: a superuser sees all members, rights and masks"
        )


@app.command()
def sessions(target: OnRedshift = "prod", as_json: AsJson = False) -> None:
    """Show who is at work: statements, open transactions, who waits for whose lock.

    A session that belongs to a run has its number. Exits with 3 when a session waits for another.
    """
    from lakehouse.warehouse import sessions as of_warehouse

    with _open(target) as warehouse:
        found = of_warehouse.sessions(warehouse)
        sees_all = of_warehouse.is_superuser(warehouse)
    if as_json:
        show_json({"target": target, "sessions": found, "shows_all_users": sees_all})
    else:
        headings = ("session", "user", "run", "since", "holds", "waits for", "statement")
        show_table(headings, [session.cells() for session in found])
    if not sees_all:
        note("only this user's own sessions are shown: a superuser sees all")
    waiting = [session for session in found if session.waits_for]
    for session in waiting:
        blockers = ", ".join(f"`lakehouse warehouse end {each}`" for each in session.blocked_by)
        by = f"; what it waits for is given back by {blockers}" if blockers else ""
        note(f"session {session.session} waits for {', '.join(session.waits_for)}{by}")
    if waiting:
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def end(
    session: Annotated[
        int | None, typer.Argument(help="A session that `lakehouse warehouse sessions` shows.")
    ] = None,
    run: Annotated[
        int | None, typer.Option(help="Instead of a session: a run that has not ended.")
    ] = None,
    target: OnRedshift = "prod",
) -> None:
    """End a session, or a run with all its sessions: what they have not committed is undone.

    After a run that was ended the next build may begin. A build that is still alive stops at its
    next model. Sessions of others are ended by a superuser only.
    """
    from lakehouse.warehouse.sessions import end_run, end_session

    if (session is None) == (run is None):
        raise typer.BadParameter("name either a session or --run")
    with _open(target) as warehouse:
        if session is not None:
            end_session(warehouse, session)
            say(f"ended session {session}")
        elif run is not None:
            for number in end_run(warehouse, run):
                say(f"ended session {number}")
            say(f"run {run} is given up: the next build may begin")


def _open(target: str) -> AbstractContextManager[Warehouse]:
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings

    return closing(Warehouse(WarehouseSettings.from_environment(target)))


@contextmanager
def _plan(target: str, dry_run: bool, as_json: bool) -> Iterator[Plan]:
    """What an operation carries out: printed as it goes, or as one document at its end."""
    from lakehouse.warehouse.plan import Plan, Statement

    def show(statement: Statement) -> None:
        if not as_json:
            say(f"{statement}\n")

    with _open(target) as warehouse:
        plan = Plan(warehouse, dry_run, show)
        yield plan
    if as_json:
        show_json({"target": target, "dry_run": dry_run, "statements": plan.statements})
    if not plan.statements:
        note("nothing to do")
    elif dry_run:
        note(f"{len(plan.statements)} statements planned, none sent")
        raise typer.Exit(Exit.ATTENTION)
    else:
        note(f"{len(plan.statements)} statements sent")
