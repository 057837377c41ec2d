"""Where each partition goes on, or why landing must stop: the ledger held against the brokers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing.layout import Partition
from ingestion.landing.ledger import Entry, Kind, Position, Progress


@dataclass(frozen=True, order=True)
class Subscription:
    """A table of the landing zone and the topic that feeds it."""

    table: str
    topic: str


@dataclass(frozen=True)
class Start:
    """A partition that can be read from `from_offset` on; `until` is where it ends now."""

    partition: Partition
    topic: str
    topic_id: str
    from_offset: int
    landing_date: date | None
    until: int = 0


@dataclass(frozen=True)
class Stop:
    """A loss that only a person can accept: what it is, and what accepting it records.

    `arguments` are those of `lakehouse landing accept-loss`; they name the loss exactly, so that
    a person never accepts another loss than the one that was shown. `may_pass`: it is worth asking
    the brokers again first. `evidence` is committed when landing stops: what the brokers say later
    may no longer show it.
    """

    reason: str
    arguments: tuple[str, ...]
    records: tuple[Entry, ...]
    may_pass: bool = False
    evidence: tuple[Entry, ...] = ()


def shown(stops: Sequence[Stop]) -> str:
    """What happened and what to do, for a person: one command, which accepts this and no more."""
    (first, *others) = stops
    if others:
        tables = ",".join(dict.fromkeys(stop.arguments[0] for stop in stops))
        arguments: tuple[str, ...] = (tables, "--all-shown", digest(stops))
    else:
        arguments = first.arguments
    reasons = "\n".join(stop.reason for stop in stops)
    return (
        f"{reasons}\n  Nothing was landed past this point. If the loss is real, accept and "
        f"record it with:\n  lakehouse landing accept-loss {' '.join(arguments)}"
    )


def digest(stops: Iterable[Stop]) -> str:
    """What tells the losses that were shown from any others."""
    told = "\n".join(sorted(" ".join(stop.arguments) for stop in stops))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Plan:
    """What a session begins with.

    `openings` are committed to the ledger first; `absent` are subscribed topics that the brokers
    do not have (yet); `notices` are for people and stop nothing.
    """

    starts: tuple[Start, ...] = ()
    openings: tuple[Entry, ...] = ()
    stops: tuple[Stop, ...] = ()
    absent: tuple[Subscription, ...] = ()
    notices: tuple[str, ...] = ()


def plan(
    progress: Progress,
    subscriptions: Iterable[Subscription],
    topics: Mapping[str, Topic],
    now: str,
) -> Plan:
    """Decide for every partition of every subscription; `now` (ISO, UTC) dates the records."""
    whole = Plan()
    for subscription in subscriptions:
        topic = topics.get(subscription.topic)
        part = (
            _absent(progress, subscription)
            if topic is None
            else _plan_topic(progress, subscription, topic, now)
        )
        whole = Plan(
            starts=whole.starts + part.starts,
            openings=whole.openings + part.openings,
            stops=whole.stops + part.stops,
            absent=whole.absent + part.absent,
            notices=whole.notices + part.notices,
        )
        # the next topic of the same table gets another number
        said = (*part.openings, *(record for stop in part.stops for record in stop.records))
        opened = {e.partition: Position(e.topic, e.topic_id, 0, None) for e in said}
        progress = replace(progress, positions={**opened, **progress.positions})
    return whole


def anew(progress: Progress, table: str, topic: Topic, now: str) -> list[Entry]:
    """What lands all that the brokers hold of `topic` as a new incarnation, once committed.

    A change that an earlier incarnation holds too counts once: it is known by its identity.
    """
    incarnation = progress.next_incarnation(table)
    return [
        _entry(
            Partition(table, incarnation, number),
            topic,
            (held.earliest, held.earliest),
            "landed",
            now,
        )
        for number, held in sorted(topic.partitions.items())
    ]


def _absent(progress: Progress, subscription: Subscription) -> Plan:
    if progress.incarnation(subscription.table, subscription.topic) is None:
        return Plan(absent=(subscription,))
    notice = (
        f"topic {subscription.topic} ({subscription.table}) was landed before and does not exist "
        "now; when it is created again landing stops and asks"
    )
    return Plan(absent=(subscription,), notices=(notice,))


def _plan_topic(progress: Progress, subscription: Subscription, topic: Topic, now: str) -> Plan:
    known = progress.incarnation(subscription.table, topic.name)
    if known is None:
        return _first_landing(progress, subscription, topic, now)
    incarnation, topic_id = known
    opened = {
        number: progress.positions.get(Partition(subscription.table, incarnation, number))
        for number in topic.partitions
    }
    if topic_id != topic.topic_id:
        stop = _recreated(progress, subscription, incarnation, topic_id, topic, now)
        return Plan(stops=(stop,))
    starts: list[Start] = []
    openings: list[Entry] = []
    stops: list[Stop] = []
    for number, offsets in sorted(topic.partitions.items()):
        position = opened[number]
        partition = Partition(subscription.table, incarnation, number)
        until = position.until_offset if position else 0
        if position is not None and (position.truncated or offsets.latest < until):
            stops.append(_truncated(progress, partition, topic, position, offsets, now))
        elif offsets.earliest > until:
            stops.append(_expired(partition, topic, until, offsets, now))
        else:
            if position is None:
                openings.append(_entry(partition, topic, (0, 0), "landed", now))
            starts.append(_start(partition, topic, until, position))
    return Plan(starts=tuple(starts), openings=tuple(openings), stops=tuple(stops))


def _first_landing(progress: Progress, subscription: Subscription, topic: Topic, now: str) -> Plan:
    incarnation = progress.next_incarnation(subscription.table)
    starts, openings, notices = [], [], []
    for number, offsets in sorted(topic.partitions.items()):
        partition = Partition(subscription.table, incarnation, number)
        openings.append(_opening(partition, topic, offsets, now))
        starts.append(_start(partition, topic, offsets.earliest, None))
        if offsets.earliest > 0:
            notices.append(
                f"topic {topic.name} partition {number}: offsets 0 to {offsets.earliest} were "
                "deleted before the first landing; recorded as lost"
            )
    return Plan(starts=tuple(starts), openings=tuple(openings), notices=tuple(notices))


def _expired(partition: Partition, topic: Topic, until: int, offsets: Offsets, now: str) -> Stop:
    return Stop(
        reason=(
            f"topic {topic.name} partition {partition.number}: offsets {until} to "
            f"{offsets.earliest} were deleted before they were landed (the topic's retention has "
            f"passed the ledger; {offsets.earliest} is the first offset left)."
        ),
        arguments=(
            partition.table,
            "--partition",
            str(partition.number),
            "--topic",
            topic.name,
            "--from",
            str(until),
            "--until",
            str(offsets.earliest),
        ),
        records=(_entry(partition, topic, (until, offsets.earliest), "lost", now),),
    )


def _truncated(  # noqa: PLR0913, PLR0917 - all of them are the case
    progress: Progress,
    partition: Partition,
    topic: Topic,
    position: Position,
    offsets: Offsets,
    now: str,
) -> Stop:
    """The log ended before what was landed: an unclean leader election, or a restored broker.

    New records take offsets that are landed with other content, and soon the log reaches past the
    ledger again, so the ledger remembers. Which records are new cannot be told; accepting opens a
    new incarnation with all that the brokers hold: a change in both counts once.
    """
    until = position.until_offset
    records = [
        _entry(partition, topic, (until, until), "lost", now),
        *anew(progress, partition.table, topic, now),
    ]
    if offsets.latest < until:
        seen = f"it ends at offset {offsets.latest}, but offsets up to {until} are landed"
    else:
        seen = (
            f"it ended before offset {until}, up to which it is landed, and has grown to "
            f"{offsets.latest} since"
        )
    return Stop(
        reason=(
            f"topic {topic.name} partition {partition.number}: {seen}: the brokers have lost "
            "records (unclean truncation) and give their offsets to others. Accepting lands all "
            "that they hold now as a new incarnation."
        ),
        arguments=(
            partition.table,
            "--partition",
            str(partition.number),
            "--topic",
            topic.name,
            "--truncated-below",
            str(until),
        ),
        records=tuple(records),
        may_pass=not position.truncated,
        evidence=()
        if position.truncated
        else (_entry(partition, topic, (until, until), "truncated", now),),
    )


def _recreated(  # noqa: PLR0913, PLR0917 - all of them are the case
    progress: Progress,
    subscription: Subscription,
    incarnation: int,
    old_id: str,
    topic: Topic,
    now: str,
) -> Stop:
    old = {
        partition: position
        for partition, position in progress.positions.items()
        if (partition.table, partition.incarnation) == (subscription.table, incarnation)
    }
    gone = replace(topic, topic_id=old_id)
    records = [
        _entry(partition, gone, (position.until_offset, position.until_offset), "lost", now)
        for partition, position in sorted(old.items())
    ]
    fresh = progress.next_incarnation(subscription.table)
    for number, offsets in sorted(topic.partitions.items()):
        records.append(_opening(Partition(subscription.table, fresh, number), topic, offsets, now))
    ends = ", ".join(
        f"partition {partition.number} from offset {position.until_offset}"
        for partition, position in sorted(old.items())
    )
    return Stop(
        reason=(
            f"topic {topic.name} was deleted and created again (topic id {old_id} became "
            f"{topic.topic_id}). Whatever the old one held beyond the ledger is lost: {ends}."
        ),
        arguments=(subscription.table, "--topic-id", topic.topic_id),
        records=tuple(records),
    )


def _opening(partition: Partition, topic: Topic, offsets: Offsets, now: str) -> Entry:
    kind: Kind = "lost" if offsets.earliest > 0 else "landed"
    return _entry(partition, topic, (0, offsets.earliest), kind, now)


def _entry(
    partition: Partition, topic: Topic, offsets: tuple[int, int], kind: Kind, now: str
) -> Entry:
    return Entry(
        table=partition.table,
        topic=topic.name,
        topic_id=topic.topic_id,
        incarnation=partition.incarnation,
        kafka_partition=partition.number,
        from_offset=offsets[0],
        until_offset=offsets[1],
        rows=0,
        kind=kind,
        committed_at=now,
        file=None,
    )


def _start(
    partition: Partition, topic: Topic, from_offset: int, position: Position | None
) -> Start:
    return Start(
        partition=partition,
        topic=topic.name,
        topic_id=topic.topic_id,
        from_offset=from_offset,
        landing_date=position.landing_date if position else None,
        until=topic.partitions[partition.number].latest,
    )
