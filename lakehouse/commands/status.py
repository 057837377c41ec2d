"""`lakehouse status`: how far each table has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from ingestion.declarations import load
from ingestion.errors import TransientError
from lakehouse.console import AsJson, Exit, OnTarget, say, show_json, show_table
from lakehouse.settings import CommandSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.kafka.brokers import Topic
    from lakehouse.health.status import TableStatus
    from lakehouse.health.warehouse import Warehouse


def status(target: OnTarget = None, as_json: AsJson = False) -> None:
    """Show each table from the broker to the warehouse: lag, age, quarantine, drift.

    Exit code 3 if a topic is missing or was recreated, 1 if the broker does not answer.
    """
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.ledger import Ledger, Progress
    from ingestion.landing.subscriptions import subscriptions
    from lakehouse.health.landing_zone import find_zone
    from lakehouse.health.status import table_statuses
    from lakehouse.health.warehouse import read_warehouse

    settings, declared = CommandSettings.of_target(target), load()
    wanted = subscriptions(declared, settings.source)
    topics: Mapping[str, Topic] | None = None
    unreachable: TransientError | None = None
    try:
        topics = Brokers(settings).topics({subscription.topic for subscription in wanted})
    except TransientError as error:
        unreachable = error
    warehouse = read_warehouse(settings, declared)
    zone = find_zone(settings)
    progress = Ledger(zone).progress if zone is not None else Progress()
    rows = table_statuses(wanted, progress, topics, warehouse.logs)
    if as_json:
        show_json(
            {
                "tables": rows,
                "last_run": warehouse.last_run,
                "behind": warehouse.behind,
                "drift": warehouse.drift,
                "warehouse_problem": warehouse.problem,
                "broker_problem": str(unreachable) if unreachable else None,
            }
        )
    else:
        _show(rows, warehouse)
    if unreachable:
        raise unreachable
    if any(row.problem for row in rows):
        raise typer.Exit(Exit.ATTENTION)


# of tables that are behind: a build of a selection leaves most of them so
SHOWN = 5


def _show(rows: Sequence[TableStatus], warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    several = Counter(row.table for row in rows)
    show_table(
        ("table", "landed", "lag", "age", "unbuilt", "newest", "rejected"),
        [_cells(row, now, several[row.table] > 1) for row in rows],
        names=1,
    )
    say("landed until, not yet landed (lag) and landed but not built: offsets")
    say("age: since the last landing; newest: age of the newest record in the warehouse")
    say(_build(warehouse, now))
    if warehouse.behind:
        names = [f"{each.consumer} (run {each.run})" for each in warehouse.behind[:SHOWN]]
        more = f", {len(warehouse.behind) - SHOWN} more" if warehouse.behind[SHOWN:] else ""
        say(f"not built in that run, but last in: {', '.join(names)}{more}")
    for row in rows:
        if row.problem:
            say((row.table, "red"), f", topic {row.topic}: {row.problem}")
    for row in {row.table: row for row in rows}.values():
        if row.older_declarations:
            say(
                (row.table, "yellow"),
                f": {row.older_declarations:,} rows were read under an older "
                f"declaration; new columns are null there until `lakehouse rebuild {row.table}`",
            )
    for drift in warehouse.drift:
        whose = f" of {drift.tenant}" if drift.tenant else ""
        say((drift.table + whose, "yellow"), f": {_DRIFT[drift.kind]}: {drift.columns}")


_DRIFT = {
    "unknown": "the source has columns that are not declared",
    "missing": "the source's rows do not have declared columns",
}


def _cells(row: TableStatus, now: datetime, has_topics: bool) -> tuple[str | Text, ...]:
    """A row of the table; `has_topics`: the declared table has several, one each tenant."""
    return (
        Text(row.topic if has_topics else row.table, "red" if row.problem else ""),
        f"{row.landed_until:,}",
        _count(row.not_landed),
        _age(row.landed_at, now),
        _count(row.not_built),
        _age(row.newest_built, now),
        Text(_count(row.quarantined), "yellow" if row.quarantined else ""),
    )


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
