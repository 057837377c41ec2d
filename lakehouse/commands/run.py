"""`lakehouse run`: build whenever something has landed, until stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated

import typer

from ingestion.declarations import load
from ingestion.errors import UsageError
from lakehouse.console import note
from lakehouse.settings import CommandSettings


def run(
    tests_every: Annotated[
        float,
        typer.Option(min=0, help="Seconds between the data tests of what was built since."),
    ] = 60.0,
) -> None:
    """Build whenever something has landed (target local), and publish it to readers.

    Ends after the run that it is in on SIGTERM or Ctrl-C. Landing runs beside it: `lakehouse land`.
    """
    from lakehouse import dbt
    from lakehouse.health.landing_zone import find_zone, no_zone
    from lakehouse.published import owned, withdraw
    from lakehouse.resident.process import Resident
    from lakehouse.resident.publication import Publication
    from lakehouse.resident.trigger import Trigger

    settings = CommandSettings.from_environment()
    if settings.environment:
        raise UsageError("LAKEHOUSE_ENVIRONMENT is set: on Redshift the schedule builds")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def say(line: str) -> None:
        note(("run", "dim"), " ", line)

    zone = find_zone(settings)
    if zone is None:
        say(f"waits for landing: {no_zone(settings)}")
    while zone is None and not stopping.wait(1):
        zone = find_zone(settings)
    if zone is None:
        return
    with owned(settings.duckdb):
        resident = Resident(
            tables=frozenset(table.name for table in load().tables),
            trigger=Trigger(zone, dbt.project()),
            publication=Publication(settings.duckdb),
            tests_every=tests_every,
            say=say,
            stopping=stopping,
        )
        starts_anew = resident.run()
        dbt.let_go()
        if not starts_anew:
            withdraw(settings.duckdb)
    if starts_anew:
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - itself
