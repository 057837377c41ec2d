"""`lakehouse landing`: look after the landing zone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from ingestion import declarations
from ingestion.errors import TerminalError, TransientError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.plan import Subscription
    from ingestion.landing.storage import Storage

app = typer.Typer(no_args_is_help=True, help="Look after the landing zone.")

_Tables = Annotated[str, typer.Option(help="Tables, separated by commas; by default all.")]


@dataclass(frozen=True)
class _Zone:
    settings: Settings
    declared: declarations.Declarations
    subscriptions: tuple[Subscription, ...]
    storage: Storage
    ledger: Ledger


def _open(tables: str = "") -> _Zone:
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.storage import open_storage
    from ingestion.landing.subscriptions import subscriptions

    settings = Settings.from_environment()
    declared = declarations.load()
    names = [name.strip() for name in tables.split(",") if name.strip()]
    storage = open_storage(settings.landing)
    return _Zone(
        settings,
        declared,
        subscriptions(declared, settings.source, names),
        storage,
        Ledger(storage),
    )


@app.command()
def status(tables: _Tables = "") -> None:
    """Show who writes, and how far each table has come against Kafka."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.writers import registered

    zone = _open(tables)
    console = Console(highlight=False)
    for writer in registered(zone.storage).values():
        silent = time.time() - writer.heartbeat_at
        console.print(
            f"writer of {', '.join(writer.tables)}: {writer}, heard of {silent:.0f} s ago",
            soft_wrap=True,
        )
    try:
        topics = Brokers(zone.settings).topics({s.topic for s in zone.subscriptions})
    except TransientError as error:
        console.print(f"[yellow]{error}[/]", soft_wrap=True)
        topics = {}
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("table", "topic"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("incarnation", "partitions", "landed until", "lag"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for subscription in zone.subscriptions:
        known = zone.ledger.progress.incarnation(subscription.table, subscription.topic)
        positions = {
            partition.number: position.until_offset
            for partition, position in zone.ledger.progress.positions.items()
            if known and (partition.table, partition.incarnation) == (subscription.table, known[0])
        }
        topic = topics.get(subscription.topic)
        lag = (
            f"{sum(o.latest - positions.get(n, 0) for n, o in topic.partitions.items()):,}"
            if topic
            else "no topic"
        )
        shown.add_row(
            subscription.table,
            subscription.topic,
            str(known[0]) if known else "-",
            str(len(positions)),
            f"{sum(positions.values()):,}",
            lag,
        )
    # As wide as topic names are: a narrow terminal wraps the lines, rich would cut the names.
    Console(highlight=False, width=400).print(shown)


@app.command()
def accept_loss(
    table: Annotated[str, typer.Argument(help="The table named by the stop.")],
    partition: Annotated[int | None, typer.Option(help="The partition named by the stop.")] = None,
    from_: Annotated[int | None, typer.Option("--from", help="First lost offset.")] = None,
    until: Annotated[int | None, typer.Option(help="First offset that is left.")] = None,
    truncated_below: Annotated[
        int | None, typer.Option(help="The landed offset that the topic ended before.")
    ] = None,
    topic_id: Annotated[str | None, typer.Option(help="The new topic's id.")] = None,
) -> None:
    """Accept and record the loss that landing has stopped at, exactly as it was shown."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.job import decide
    from ingestion.metrics import open_metrics

    zone = _open(table)
    options = {
        "--partition": partition,
        "--from": from_,
        "--until": until,
        "--truncated-below": truncated_below,
        "--topic-id": topic_id,
    }
    given = [table]
    for name, value in options.items():
        given += [name, str(value)] if value is not None else []
    stops = decide(zone.ledger, zone.subscriptions, Brokers(zone.settings)).stops
    for stop in stops:
        if list(stop.arguments) == given:
            zone.ledger.append(stop.records)
            Console(highlight=False).print(f"recorded as lost: {stop.reason}", soft_wrap=True)
            metrics = open_metrics(zone.settings)
            if metrics is not None:
                lost = (r.until_offset - r.from_offset for r in stop.records if r.kind == "lost")
                metrics.put({"LostOffsets": sum(lost)})
            return
    now = "\n".join(stop.message for stop in stops) or f"{table} has no loss to accept."
    raise TerminalError(f"this is not a loss that landing has stopped at. {now}")


@app.command()
def again(
    table: Annotated[str, typer.Argument(help="The table whose landed records are doubted.")],
) -> None:
    """Land all that Kafka still holds of a table once more; a change counts once all the same."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.job import decide
    from ingestion.landing.plan import anew

    zone = _open(table)
    brokers = Brokers(zone.settings)
    stops = decide(zone.ledger, zone.subscriptions, brokers).stops
    if stops:
        raise TerminalError("\n".join(stop.message for stop in stops))
    topics = brokers.topics({subscription.topic for subscription in zone.subscriptions})
    for subscription in zone.subscriptions:
        name, topic_name = subscription.table, subscription.topic
        topic = topics.get(topic_name)
        if topic is None or zone.ledger.progress.incarnation(name, topic_name) is None:
            raise TerminalError(f"{name}: topic {topic_name} is away, or was never landed")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        opened = anew(zone.ledger.progress, name, topic, now)
        zone.ledger.append(opened)
        Console(highlight=False).print(
            f"{name}: the next start of `lakehouse land` lands all of {topic_name} as incarnation "
            f"{opened[0].incarnation}",
            soft_wrap=True,
        )


@app.command()
def compact(
    tables: _Tables = "",
    grace_hours: Annotated[
        float,
        typer.Option(
            min=0, help="How long small files stay beside the large one; longer than a run."
        ),
    ] = 24.0,
) -> None:
    """Merge the small files of past dates, and remove those merged before the grace period."""
    from ingestion.landing import compaction

    zone = _open(tables)
    console = Console(highlight=False)
    for subscription in zone.subscriptions:
        name = subscription.table
        today = datetime.now(UTC).date()
        removed = compaction.remove_covered(zone.storage, name, grace_hours * 3600, time.time())
        added = compaction.compact(zone.storage, zone.ledger.progress, name, today)
        if removed or added:
            console.print(f"{name}: {len(added)} files added, {len(removed)} removed")
    console.print("compacted")


@app.command()
def expire(tables: _Tables = "") -> None:
    """Remove the files that are older than their table's declared retention.

    Debezium's own topics follow the longest declared retention.
    """
    from ingestion.landing import compaction

    zone = _open(tables)
    days = {table.name: table.landing_retention_days for table in zone.declared.tables}
    longest = max(days.values())
    console = Console(highlight=False)
    today: date = datetime.now(UTC).date()
    for subscription in zone.subscriptions:
        oldest = today - timedelta(days=days.get(subscription.table, longest))
        removed = compaction.expire(zone.storage, subscription.table, oldest)
        if removed:
            console.print(f"{subscription.table}: {len(removed)} files before {oldest} removed")
    console.print("expired")
