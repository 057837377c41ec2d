"""`lakehouse warehouse`: Redshift's streams and roles, for the person on duty."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion.declarations import load
from ingestion.settings import Settings
from lakehouse.console import AsJson, Exit, note, say, show_json, show_table

if TYPE_CHECKING:
    from lakehouse.warehouse.connection import Warehouse

app = typer.Typer(no_args_is_help=True, help="Look after the streams and roles on Redshift.")
Target = Annotated[str, typer.Option(help="dbt target on Redshift: dev, qa or prod.")]


@app.command()
def status(target: Target = "prod", as_json: AsJson = False) -> None:
    """Show each streaming view: rows, last refresh, how far log and landing are.

    `waiting` are streamed records that no run can read yet: they lie behind a gap, and are read as
    soon as the landing ledger covers it. Exits with 3 when a last refresh failed.
    """
    from lakehouse.warehouse.streams import stream_states

    with _open(target) as warehouse:
        states = stream_states(warehouse, load())
    if as_json:
        show_json({"target": target, "views": states})
    else:
        show_table(
            ("view", "auto refresh", "rows", "last refresh", "status", "in the log", "waiting"),
            [state.cells() for state in states],
        )
    failed = [state.view for state in states if state.has_failed]
    if failed:
        note(
            f"the last refresh failed: {', '.join(failed)}. "
            "See docs/runbooks/redshift_streaming_view.md"
        )
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def measure(target: Target = "prod") -> None:
    """Print the warehouse's metrics, and put them into CloudWatch where there is one.

    The alarms quarantine-growth, stale-marts and streaming-view-errors look at them; a schedule
    runs this. Redshift shows the errors of all views to an administrator only.
    """
    from ingestion.metrics import open_metrics
    from lakehouse.warehouse.measurements import measurements

    with _open(target) as warehouse:
        found = measurements(warehouse)
    for name, value in found.items():
        say(f"{name} {value:g}")
    metrics = open_metrics(Settings.from_environment())
    if metrics is None:
        note("LAKEHOUSE_METRICS_NAMESPACE is not set: nothing is put into CloudWatch")
    else:
        metrics.put(found)


@app.command()
def refresh(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Declared tables; all by default.")
    ] = None,
    target: Target = "prod",
) -> None:
    """Refresh streaming views now; automatic refreshes go on as they are."""
    from lakehouse.warehouse.streams import refresh_streams

    chosen = load().select(tables or [])
    with _open(target) as warehouse:
        for view in refresh_streams(warehouse, [table.name for table in chosen]):
            say(f"refreshed {view}")


@app.command()
def grants(target: Target = "prod", as_json: AsJson = False) -> None:
    """Show who may do what: roles, their schemas, and the masked columns of analyst."""
    from lakehouse.warehouse.streams import grant_rows

    with _open(target) as warehouse:
        rows = grant_rows(warehouse)
    headings = ("role", "what", "on")
    if as_json:
        grants = [dict(zip(headings, row, strict=True)) for row in rows]
        show_json({"target": target, "grants": grants})
    else:
        show_table(headings, rows)


def _open(target: str) -> AbstractContextManager[Warehouse]:
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings

    return closing(Warehouse(WarehouseSettings.from_environment(target)))
