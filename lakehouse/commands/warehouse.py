"""`lakehouse warehouse`: Redshift's streams and roles, for the person on duty."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ingestion.declarations import load
from ingestion.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look after the streams and roles on Redshift.")
Target = Annotated[str, typer.Option(help="dbt target on Redshift: dev, qa or prod.")]


@app.command()
def status(target: Target = "prod") -> None:
    """Show each streaming view: rows, last refresh, how far log and landing are.

    `waiting` are streamed records that no run can read yet: they lie behind a gap, and are read as
    soon as the landing ledger covers it. Exits with 1 when a last refresh failed.
    """
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.streams import failed, stream_states

    settings = WarehouseSettings.from_environment(target)
    warehouse = Warehouse(settings)
    try:
        states = stream_states(warehouse, load())
    finally:
        warehouse.close()
    table = Table(box=None)
    for heading in (
        "view",
        "auto refresh",
        "rows",
        "last refresh",
        "status",
        "in the log",
        "waiting",
    ):
        table.add_column(heading)
    for state in states:
        table.add_row(*state.cells())
    Console().print(table)
    failed(states)


@app.command()
def measure(target: Target = "prod") -> None:
    """Print the warehouse's metrics, and put them into CloudWatch where there is one.

    The alarms quarantine-growth, stale-marts and streaming-view-errors look at them; a schedule
    runs this. Redshift shows the errors of all views to an administrator only.
    """
    from ingestion.metrics import open_metrics
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.measurements import measurements

    warehouse = Warehouse(WarehouseSettings.from_environment(target))
    try:
        found = measurements(warehouse)
    finally:
        warehouse.close()
    for name, value in found.items():
        typer.echo(f"{name} {value:g}")
    metrics = open_metrics(Settings.from_environment())
    if metrics is None:
        typer.echo("LAKEHOUSE_METRICS_NAMESPACE is not set: nothing is put into CloudWatch")
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
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.streams import refresh_streams

    chosen = load().select(tables or [])
    warehouse = Warehouse(WarehouseSettings.from_environment(target))
    try:
        for view in refresh_streams(warehouse, [table.name for table in chosen]):
            Console().print(f"refreshed {view}")
    finally:
        warehouse.close()


@app.command()
def grants(target: Target = "prod") -> None:
    """Show who may do what: roles, their schemas, and the masked columns of analyst."""
    from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
    from lakehouse.warehouse.streams import grant_rows

    warehouse = Warehouse(WarehouseSettings.from_environment(target))
    try:
        rows = grant_rows(warehouse)
    finally:
        warehouse.close()
    table = Table(box=None)
    for heading in ("role", "what", "on"):
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
