"""`shop`: make the shop's database, fill it, and let people trade."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingestion.errors import TerminalError
from lakehouse.console import console, say, show_table
from lakehouse.settings import CommandSettings

if TYPE_CHECKING:
    from playground.shop.simulator import RoundSummary

app = typer.Typer(no_args_is_help=True, help="A simulated shop on PostgreSQL.")

Dsn = Annotated[
    str,
    typer.Option(
        envvar="LAKEHOUSE_SOURCE_DSN", help="The shop's PostgreSQL database, as libpq writes it."
    ),
]
Seed = Annotated[int, typer.Option(help="The same seed makes the same transactions.")]


@app.command()
def create(dsn: Dsn = "") -> None:
    """Create the declared tables and the audit of their changes; repeating changes nothing."""
    from playground.shop import schema

    schema.create(_required(dsn))


@app.command()
def seed(
    dsn: Dsn = "",
    seed: Seed = 1,
    customers: Annotated[int, typer.Option(min=1, help="Customers of the opening day.")] = 600,
    orders: Annotated[int, typer.Option(min=1, help="Orders of the past year.")] = 5_000,
    products: Annotated[int, typer.Option(min=1, help="Products on sale.")] = 1_000,
) -> None:
    """Fill the empty shop: customers, products, a year of orders."""
    from playground.shop.opening import Scale
    from playground.shop.simulator import Shop

    scale = Scale(customers=customers, orders=orders, products=products)
    with Shop(_required(dsn), seed, scale, started_at=_now()) as shop, _progress() as progress:
        task = progress.add_task("row changes", total=None)
        summary = shop.seed(on_progress=lambda done: progress.update(task, completed=done))
    _show(summary)


@app.command()
def run(
    *,
    dsn: Dsn = "",
    seed: Seed = 1,
    seconds: Annotated[int, typer.Option(min=1, help="How long to trade.")] = 60,
    endless: Annotated[bool, typer.Option("--endless", help="Trade until Ctrl-C.")] = False,
    rate: Annotated[int, typer.Option(min=1, help="Row changes a second.")] = 200,
) -> None:
    """Let people trade in a shop that is filled, at the present time."""
    from playground.shop.simulator import Shop

    total = None if endless else seconds * rate
    with Shop(_required(dsn), seed, started_at=_now()) as shop, _progress() as progress:
        task = progress.add_task("row changes", total=total)
        begun = time.monotonic()
        second = 0
        while endless or second < seconds:
            summary = shop.round(rate, at=_now())
            progress.advance(task, summary.changes)
            second += 1
            time.sleep(max(0.0, begun + second - time.monotonic()))


@app.command("sqlserver-events")
def sqlserver_events(
    dsn: Dsn = "",
    salt: Annotated[
        str,
        typer.Option(help="Salt of the columns with pii: hash, by default LAKEHOUSE_PII_SALT."),
    ] = "",
    state: Annotated[Path, typer.Option(help="File that remembers what has been written.")] = Path(
        "data/shop-sqlserver-events.json"
    ),
    quirks: Annotated[
        bool,
        typer.Option(help="With redelivery, deferred updates and whatever else SQL Server does."),
    ] = True,
    late_reads: Annotated[
        bool,
        typer.Option(help="Some of the snapshot's rows are read late, by the second call."),
    ] = False,
) -> None:
    """Write the shop's activity to Kafka as SQL Server's change events.

    The first call writes a snapshot, each further one what has happened since.
    """
    from playground.shop.sqlserver.connector import ALL_QUIRKS, Quirks
    from playground.shop.sqlserver.writer import SqlServerEvents

    settings = CommandSettings.from_environment()
    salt = salt or settings.pii_salt
    if not salt:
        raise TerminalError("set LAKEHOUSE_PII_SALT: telephone numbers leave the shop hashed")
    chosen = ALL_QUIRKS if quirks else Quirks()
    if not late_reads:
        chosen = replace(chosen, late_reads_every=0)
    events = SqlServerEvents(
        _required(dsn), settings.kafka_bootstrap_servers, salt=salt, quirks=chosen, state=state
    )
    snapshot = not events.started
    written = events.start() if snapshot else events.stream()
    what = "snapshot" if snapshot else "changes"
    say(f"{what}: {written:,} records to {settings.kafka_bootstrap_servers}")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(stderr=True),
    )


def _show(summary: RoundSummary) -> None:
    names = sorted({name for name, _ in summary.counts})
    show_table(
        ("table", "inserted", "updated", "deleted"),
        [
            (name, *(f"{summary.counts.get((name, operation), 0):,}" for operation in "cud"))
            for name in names
        ],
        names=1,
    )


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _required(dsn: str) -> str:
    dsn = dsn or CommandSettings.from_environment().source_dsn
    if not dsn:
        raise TerminalError("which database? Give --dsn or set LAKEHOUSE_SOURCE_DSN")
    return dsn
