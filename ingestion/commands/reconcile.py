"""`lakehouse reconcile`: the warehouse against what the shop's audit says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingestion.declarations import load
from ingestion.errors import TerminalError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.reconcile.findings import Difference, Reconciliation, TableReport


def reconcile(
    salt: Annotated[
        str,
        typer.Option(
            envvar="LAKEHOUSE_PII_SALT",
            help="Salt of the columns with pii: hash; without it they are not compared.",
        ),
    ] = "",
    totals: Annotated[
        bool, typer.Option(help="Compare the money totals of marts.agg_daily_sales too.")
    ] = True,
) -> None:
    """Compare the warehouse with the audit in the source: versions, current rows, money.

    Exit code 1 if anything differs. Let the pipeline catch up before: what is not yet landed and
    built is a difference.
    """
    from ingestion.reconcile.run import reconcile as compare

    settings = Settings.from_environment()
    if not settings.source_dsn:
        raise TerminalError(
            "which source? Set LAKEHOUSE_SOURCE_DSN to the shop's PostgreSQL database"
        )
    console = Console()
    with console.status("reconciling") as status:
        result = compare(
            load(),
            dsn=settings.source_dsn,
            warehouse=settings.duckdb,
            salt=salt,
            with_totals=totals,
            on_table=lambda name: status.update(f"reconciling {name}"),
        )
    show(result, console)
    if not result.agrees:
        raise typer.Exit(1)


def show(result: Reconciliation, console: Console) -> None:
    """Print the comparison: one row a table, then the first differing keys of each."""
    # Narrow enough for 80 columns, which is what there is where nobody watches.
    table = Table(
        title="Versions and current rows: source and warehouse",
        caption="earlier: from before the capture; differ: keys on which the two differ",
        box=None,
        padding=(0, 1, 0, 0),
    )
    table.add_column("table", no_wrap=True)
    for heading in ("versions", "warehouse", "earlier", "differ", "rows", "warehouse", "differ"):
        table.add_column(heading, justify="right", no_wrap=True)
    for report in result.tables:
        table.add_row(*_cells(report), style=None if report.agrees else "red")
    if result.totals:
        totals = result.totals
        cells = (f"{totals.source_groups:,}", f"{totals.warehouse_groups:,}")
        table.add_row(
            "daily sales",
            *("", "", "", ""),
            *cells,
            f"{totals.differing_groups:,}",
            style=None if totals.agrees else "red",
        )
    console.print(table)
    for report in result.tables:
        if report.skipped_columns:
            columns = ", ".join(report.skipped_columns)
            console.print(f"{report.table}: not compared without the salt: {columns}")
        _show_differences(report.table, report.differences, console)
    if result.totals:
        _show_differences("daily sales totals", result.totals.differences, console)
    verdict = "[green]source and warehouse agree[/]" if result.agrees else "[red]they differ[/]"
    console.print(verdict)


def _cells(report: TableReport) -> tuple[str, ...]:
    versions = (report.source_versions, report.warehouse_versions, report.before_capture)
    return (
        report.table,
        *("" if count is None else f"{count:,}" for count in versions),
        "" if report.source_versions is None else f"{report.differing_keys:,}",
        f"{report.source_rows:,}",
        f"{report.warehouse_rows:,}",
        f"{report.differing_rows:,}",
    )


def _show_differences(title: str, differences: tuple[Difference, ...], console: Console) -> None:
    if not differences:
        return
    table = Table(title=f"{title}: differences", show_lines=True)
    for heading in ("key", "what", "source", "warehouse"):
        table.add_column(heading, overflow="fold")
    for difference in differences:
        table.add_row(
            escape(difference.key),
            difference.kind,
            escape(difference.source),
            escape(difference.warehouse),
        )
    console.print(table)
