"""`lakehouse landing`: look after the landing zone."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ingestion import declarations
from ingestion.errors import LakehouseError, RefusedError, TerminalError, TransientError
from ingestion.settings import Settings
from lakehouse.console import AsJson, Exit, Tenant, say, show_json, show_table
from lakehouse.source.tenants import of_tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingestion.kafka.brokers import Topic
    from ingestion.landing.ledger import Entry, Ledger
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

    @property
    def tables(self) -> tuple[str, ...]:
        """The subscribed tables, each once whatever topics it has."""
        return tuple(dict.fromkeys(subscription.table for subscription in self.subscriptions))

    def kept_since(self, table: str, hours: float) -> datetime:
        """The table's declared retention and `hours` ago; Debezium's own topics have the longest.

        Where that is no moment it is the first one: nothing is that old.
        """
        days = {each.name: each.landing_retention_days for each in self.declared.tables}
        kept = days.get(table, max(days.values()))
        try:
            return datetime.now(UTC) - timedelta(days=kept, hours=hours)
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)


def _open(tables: str = "", tenant: str = "") -> _Zone:
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.subscriptions import named, subscriptions
    from lakehouse.health.landing_zone import open_zone

    settings = Settings.from_environment()
    declared = of_tenant(declarations.load(), tenant)
    names = named(tables)
    storage = open_zone(settings)
    return _Zone(
        settings,
        declared,
        subscriptions(declared, settings.source, names),
        storage,
        Ledger(storage),
    )


@app.command()
def status(tables: _Tables = "", as_json: AsJson = False) -> None:
    """Show who writes, and how far each table has come against Kafka.

    Exit code 3 if a topic is missing, or is another one than the one that was landed.
    """
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.writers import heartbeat, registered

    zone = _open(tables)
    writers = [
        {**asdict(writer), "heartbeat_at": float(heartbeat(zone.storage, writer.session) or 0)}
        for writer in registered(zone.storage).values()
    ]
    topics: Mapping[str, Topic] = {}
    unreachable: TransientError | None = None
    try:
        topics = Brokers(zone.settings).topics({s.topic for s in zone.subscriptions})
    except TransientError as error:
        unreachable = error
    rows = []
    for subscription in zone.subscriptions:
        known = zone.ledger.progress.incarnation(subscription.table, subscription.topic)
        positions = {
            partition.number: position.until_offset
            for partition, position in zone.ledger.progress.positions.items()
            if known and (partition.table, partition.incarnation) == (subscription.table, known[0])
        }
        topic = topics.get(subscription.topic)
        recreated = topic is not None and known is not None and topic.topic_id != known[1]
        behind = (
            sum(o.latest - positions.get(n, 0) for n, o in topic.partitions.items())
            if topic is not None and not recreated
            else None
        )
        rows.append(
            {
                "table": subscription.table,
                "topic": subscription.topic,
                "topic_id": known[1] if known else None,
                "recreated_as": topic.topic_id if topic is not None and recreated else None,
                "incarnation": known[0] if known else None,
                "partitions": len(positions),
                "landed_until": sum(positions.values()),
                "lag": behind,
            }
        )
    if as_json:
        broker = str(unreachable) if unreachable else None
        show_json({"writers": writers, "tables": rows, "broker_problem": broker})
    else:
        for writer in writers:
            silent = time.time() - writer["heartbeat_at"]
            say(
                f"writer of {', '.join(writer['tables'])}: process {writer['pid']} on "
                f"{writer['host']}, since {writer['since']}, heard of {silent:.0f} s ago"
            )
        nothing = {"lag": "-" if unreachable else "no topic"}
        show_table(
            [name.replace("_", " ") for name in rows[0]],
            [
                [
                    nothing.get(k, "-") if v is None else f"{v:,}" if isinstance(v, int) else v
                    for k, v in (
                        row | ({"lag": "recreated"} if row["recreated_as"] else {})
                    ).items()
                ]
                for row in rows
            ],
            names=4,
        )
    if unreachable:
        raise unreachable
    if any(row["lag"] is None for row in rows):
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def accept_loss(
    table: Annotated[str, typer.Argument(help="The table named by the stop, or the tables.")],
    partition: Annotated[int | None, typer.Option(help="The partition named by the stop.")] = None,
    topic: Annotated[str | None, typer.Option(help="The topic named by the stop.")] = None,
    from_: Annotated[int | None, typer.Option("--from", help="First lost offset.")] = None,
    until: Annotated[int | None, typer.Option(help="First offset that is left.")] = None,
    truncated_below: Annotated[
        int | None, typer.Option(help="The landed offset that the topic ended before.")
    ] = None,
    topic_id: Annotated[str | None, typer.Option(help="The new topic's id.")] = None,
    all_shown: Annotated[
        str | None, typer.Option(help="All losses of these tables: the digest that was shown.")
    ] = None,
) -> None:
    """Accept and record the loss that landing has stopped at, exactly as it was shown."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.job import decide
    from ingestion.landing.plan import digest, shown
    from ingestion.metrics import open_metrics

    zone = _open(table)
    options = {
        "--partition": partition,
        "--topic": topic,
        "--from": from_,
        "--until": until,
        "--truncated-below": truncated_below,
        "--topic-id": topic_id,
    }
    given = [table]
    for name, value in options.items():
        given += [name, str(value)] if value is not None else []
    stops = decide(zone.ledger, zone.subscriptions, Brokers(zone.settings)).stops
    accepted = [stop for stop in stops if list(stop.arguments) == given]
    if stops and all_shown == digest(stops) and given == [table]:
        accepted = list(stops)
    if not accepted:
        now = shown(stops) if stops else f"{table} has no loss to accept."
        raise RefusedError(f"this is not a loss that landing has stopped at. {now}")
    # Several truncated partitions of a topic open the same new incarnation.
    records = list(dict.fromkeys(record for stop in accepted for record in stop.records))
    zone.ledger.append(records)
    for stop in accepted:
        say(f"recorded as lost: {stop.reason}")
    metrics = open_metrics(zone.settings)
    if metrics is not None:
        lost = (r.until_offset - r.from_offset for r in records if r.kind == "lost")
        metrics.put({"LostOffsets": sum(lost)})


@app.command()
def again(
    table: Annotated[str, typer.Argument(help="The table whose landed records are doubted.")],
    tenant: Tenant = "",
) -> None:
    """Land all that Kafka still holds of a table once more; a change counts once all the same."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.job import decide
    from ingestion.landing.ledger import fold
    from ingestion.landing.plan import anew, shown

    if not table:
        raise TerminalError("name one table: an empty name would mean all of them")
    zone = _open(table, tenant)
    brokers = Brokers(zone.settings)
    stops = decide(zone.ledger, zone.subscriptions, brokers).stops
    if stops:
        raise RefusedError(shown(stops))
    topics = brokers.topics({subscription.topic for subscription in zone.subscriptions})
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    progress = zone.ledger.progress
    opened: list[Entry] = []
    for subscription in zone.subscriptions:
        name, topic_name = subscription.table, subscription.topic
        topic = topics.get(topic_name)
        if topic is None or progress.incarnation(name, topic_name) is None:
            raise TerminalError(f"{name}: topic {topic_name} is away, or was never landed")
        own = anew(progress, name, topic, now)
        progress, opened = fold(own, progress), opened + own
    zone.ledger.append(opened)
    for name, topic_name, number in dict.fromkeys(
        (e.table, e.topic, e.incarnation) for e in opened
    ):
        say(
            f"{name}: the next start of `lakehouse land` lands all of {topic_name} as incarnation "
            f"{number}"
        )


@app.command()
def land_record(
    table: Annotated[str, typer.Argument(help="The table named by the stop.")],
    partition: Annotated[int, typer.Option(help="The partition named by the stop.")],
    offset: Annotated[int, typer.Option(help="The offset named by the stop.")],
    tenant: Tenant = "",
) -> None:
    """Land the one record that landing has stopped at, as it is, without Spark.

    A time that no year from 1 to 9999 holds is replaced by the nearest that one does.
    """
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing import commit
    from ingestion.landing.job import decide
    from ingestion.landing.storage import open_storage
    from ingestion.landing.writers import registered
    from lakehouse.kafka.records import messages
    from lakehouse.kafka.single_record import land_message, was_tried_in_vain

    zone = _open(table, tenant)
    if len(zone.subscriptions) > 1:
        raise TerminalError(f"{table} has a topic for each tenant: say which by --tenant")
    for writer in registered(zone.storage).values():
        if table in writer.tables and not writer.has_exited():
            raise RefusedError(f"{writer} lands {table}: stop it first")
    commit.check_ledger_is_there(zone.storage, zone.ledger, zone.tables)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    commit.adopt(zone.storage, zone.ledger, zone.tables, now)
    decided = decide(zone.ledger, zone.subscriptions, Brokers(zone.settings))
    unopened = {opening.kafka_partition for opening in decided.openings}
    start = next((s for s in decided.starts if s.partition.number == partition), None)
    if start is None or partition in unopened or start.from_offset != offset:
        if partition in unopened:
            told = "it was never landed: run `lakehouse land` first"
        elif start is None:
            told = "there is no such partition, or landing has stopped at a loss there"
        else:
            told = f"landing goes on at offset {start.from_offset}, not at {offset}"
        raise RefusedError(f"{table} partition {partition}: {told}")
    if not was_tried_in_vain(open_storage(zone.settings.checkpoints, make=False), start):
        raise RefusedError(
            f"{table} partition {partition}: landing goes on at offset {offset}, but has not "
            f"stopped there, says {zone.settings.checkpoints} (LAKEHOUSE_CHECKPOINTS): run "
            "`lakehouse land`, which names the record that it cannot land"
        )
    for message in messages(zone.settings, start.topic, partition, offset, 1):
        if message.offset() == offset:
            land_message(zone.storage, zone.ledger, start, message)
            say(f"topic {start.topic} partition {partition}: offset {offset} is landed")
            return
    raise TerminalError(f"topic {start.topic} partition {partition} has no record at {offset}")


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
    problems = []
    for name in zone.tables:
        today = datetime.now(UTC).date()
        try:
            removed = compaction.remove_covered(zone.storage, name, grace_hours * 3600, time.time())
            added = compaction.compact(zone.storage, zone.ledger.progress, name, today)
        except LakehouseError as error:
            problems.append(f"{name}: {error}")
            continue
        if removed or added:
            say(f"{name}: {len(added)} files added, {len(removed)} removed")
    if problems:
        raise TerminalError("\n".join(problems))
    say("compacted")


@app.command()
def verify(tables: _Tables = "") -> None:
    """Compare the records of the files that are there with the ledger. Exit code 3: some are gone.

    What retention has removed, or will within two days, is not looked at.
    """
    from ingestion.landing import commit, ledger
    from lakehouse.health import verification

    zone = _open(tables)
    commit.check_ledger_is_there(zone.storage, zone.ledger, zone.tables)
    entries, found = ledger.entries(zone.storage), []
    for name in zone.tables:
        since = zone.kept_since(name, hours=-48)
        found.append(verification.verify(zone.storage, entries, name, since))
        for difference in found[-1].differences:
            say(str(difference))
    ranges, records, files = (
        sum(counts) for counts in zip(*((v.ranges, v.records, v.files) for v in found), strict=True)
    )
    say(f"compared {ranges:,} ranges of the ledger ({records:,} records) with {files:,} files")
    if any(verified.differences for verified in found):
        raise typer.Exit(Exit.ATTENTION)
    say("the files hold what the ledger says" if ranges else "there was nothing to compare")


@app.command()
def expire(
    tables: _Tables = "",
    grace_hours: Annotated[
        float,
        typer.Option(min=0, help="How long past its retention a file stays for who reads it."),
    ] = 24.0,
) -> None:
    """Remove the files whose records were landed longer ago than their table's retention.

    Debezium's own topics follow the longest declared retention.
    """
    from ingestion.landing import compaction, ledger

    zone = _open(tables)
    entries = ledger.entries(zone.storage)
    for name in zone.tables:
        before = zone.kept_since(name, grace_hours)
        removed = compaction.expire(zone.storage, entries, name, before)
        if removed:
            when = before.isoformat(timespec="minutes")
            say(f"{name}: {len(removed)} files landed before {when} removed")
    say("expired")
