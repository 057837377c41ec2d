"""`lakehouse verify`: whether a mark that the source has just made comes through the pipeline."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ingestion.declarations import load
from lakehouse.console import Exit, note, say
from lakehouse.settings import CommandSettings


def verify(
    wait: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="How long the pipeline has time.")
    ] = 90,
) -> None:
    """Follow a mark from the source through Kafka, landing and the warehouse up to the marts.

    The mark is Debezium's heartbeat: no row of the shop's is touched. When it and every change
    that Kafka has by now are landed, those are in the logs, and a build has ended well that took
    them further, the pipeline works from end to end; `dbt test` then says whether the marts are
    right. Exit code 3 if no heartbeat comes, 4 if something stays behind.
    """
    from lakehouse.health.checks import check_heartbeat
    from lakehouse.health.waiting import Patience, await_built, await_marts

    settings, declared = CommandSettings.from_environment(), load()
    heart = check_heartbeat(settings, declared)
    if heart.state != "ok":
        note(f"no mark of the source: {heart.found}; {heart.advice}")
        raise typer.Exit(Exit.ATTENTION)
    say(f"mark: heartbeat, {heart.found}")
    patience = Patience(time.monotonic() + wait * 60, note)
    tables = [table.name for table in declared.tables]
    await_built(settings, declared, tables, patience, landed_too=["debezium_heartbeat"])
    await_marts(settings, declared, patience)
    say(f"the mark is landed, and every record that Kafka had of {len(tables)} tables is built")
