"""`lakehouse land`: land Kafka's records until stopped, or all that is there."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from ingestion import declarations
from ingestion.settings import Settings
from lakehouse.console import note


def land(
    once: Annotated[
        bool, typer.Option("--once", help="Land everything that is there now, then stop.")
    ] = False,
    tables: Annotated[
        str, typer.Option(help="Tables to land, separated by commas; by default all.")
    ] = "",
    interval: Annotated[
        float, typer.Option(min=0, help="Seconds from one batch to the next.")
    ] = 5.0,
    max_offsets: Annotated[
        int, typer.Option(min=1, help="The most offsets a batch takes; bounds its files.")
    ] = 1_000_000,
    refresh: Annotated[
        float, typer.Option(min=0.1, help="Seconds between looks for new topics and partitions.")
    ] = 10.0,
    takeover_after: Annotated[
        float, typer.Option(min=1, help="Seconds of silence after which a writer counts as dead.")
    ] = 60.0,
) -> None:
    """Land the change events as Parquet, each record once, from where the ledger ends."""
    from ingestion.landing.job import Job, Landing
    from ingestion.landing.subscriptions import named, subscriptions
    from lakehouse.local_spark import local_session

    settings = Settings.from_environment()
    names = named(tables)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    job = Job(
        settings=settings,
        subscriptions=lambda: subscriptions(declarations.load(), settings.source, names),
        once=once,
        interval=interval,
        max_offsets=max_offsets,
        refresh=refresh,
        takeover_after=takeover_after,
    )

    def notice(line: str) -> None:
        note(("landing", "dim"), " ", line)

    Landing(job, lambda: local_session(settings), notice, stopping).run()
