"""`lakehouse status`: how far each table has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ingestion.declarations import load
from ingestion.errors import TransientError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.kafka.brokers import Topic
    from lakehouse.health.status import TableStatus
    from lakehouse.health.warehouse import Warehouse


def status() -> None:
    """Show each table from the broker to the warehouse: lag, age, quarantine.

    Exit code 1 if a topic is missing or was recreated, or the broker does not answer.
    """
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.storage import open_storage
    from ingestion.landing.subscriptions import subscriptions
    from lakehouse.health.status import table_statuses
    from lakehouse.health.warehouse import read_warehouse

    settings, declared = Settings.from_environment(), load()
    console = Console(highlight=False)
    wanted = subscriptions(declared, settings.source)
    topics = _topics(settings, {subscription.topic for subscription in wanted}, console)
    warehouse = read_warehouse(settings.duckdb, declared)
    rows = table_statuses(
        wanted, Ledger(open_storage(settings.landing)).progress, topics, warehouse.logs
    )
    console.print(_table(rows, datetime.now(UTC)))
    console.print(_build(warehouse, datetime.now(UTC)), soft_wrap=True)
    problems = [row for row in rows if row.problem]
    for row in problems:
        console.print(f"[red]{row.table}[/], topic {row.topic}: {row.problem}", soft_wrap=True)
    for row in rows:
        if row.older_declarations:
            console.print(
                f"[yellow]{row.table}[/]: {row.older_declarations:,} rows were read under an older "
                f"declaration; new columns are null there until `lakehouse rebuild {row.table}`",
                soft_wrap=True,
            )
    if problems or topics is None:
        raise typer.Exit(1)


def _topics(settings: Settings, names: set[str], console: Console) -> dict[str, Topic] | None:
    from ingestion.kafka.brokers import Brokers

    try:
        return Brokers(settings).topics(names)
    except TransientError as error:
        console.print(f"[red]{error}[/]", soft_wrap=True)
        return None


def _table(rows: tuple[TableStatus, ...], now: datetime) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        caption="landed until, not yet landed (lag) and landed but not built: offsets\n"
        "age: since the last landing; newest: age of the newest record in the warehouse",
    )
    table.add_column("table", no_wrap=True)
    for name in ("landed", "lag", "age", "unbuilt", "newest", "rejected"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            f"[red]{row.table}[/]" if row.problem else row.table,
            f"{row.landed_until:,}",
            _count(row.not_landed),
            _age(row.landed_at, now),
            _count(row.not_built),
            _age(row.newest_built, now),
            f"[yellow]{row.quarantined:,}[/]" if row.quarantined else _count(row.quarantined),
        )
    return table


def _build(warehouse: Warehouse, now: datetime) -> str:
    if warehouse.problem:
        return f"warehouse: {warehouse.problem}"
    run = warehouse.last_run
    if run is None:
        return "warehouse: no build yet: run `dbt build`"
    ended = run.finished_at or run.started_at
    return f"last build: run {run.number}, {run.status} {_age(ended, now)} ago"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _age(moment: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if moment is None:
        return "-"
    seconds = max(0, int((now - moment) / timedelta(seconds=1)))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
