"""How far each table has come: from the broker to the landing zone to the warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ingestion.kafka.brokers import Topic
from ingestion.landing.ledger import Position, Progress
from ingestion.landing.plan import Subscription
from lakehouse.health.warehouse import LogState


@dataclass(frozen=True)
class TableStatus:
    """One table; None is: not known, because what would tell it could not be asked.

    `not_landed` counts the offsets between the ledger's end and the broker's, `not_built` those
    between the log's end and the ledger's. Transaction markers take offsets as well, so both may
    exceed the number of records.
    """

    table: str
    topic: str
    landed_until: int
    landed_at: datetime | None
    not_landed: int | None
    not_built: int | None
    newest_built: datetime | None
    quarantined: int | None
    older_declarations: int | None
    problem: str | None


def table_statuses(
    subscriptions: Iterable[Subscription],
    progress: Progress,
    topics: Mapping[str, Topic] | None,
    logs: Mapping[str, LogState],
) -> tuple[TableStatus, ...]:
    """The status of each subscription; `topics` is None when the broker does not answer."""
    wanted = tuple(subscriptions)
    return tuple(
        _status(subscription, progress, topics, logs.get(subscription.table), wanted)
        for subscription in wanted
    )


def _status(
    subscription: Subscription,
    progress: Progress,
    topics: Mapping[str, Topic] | None,
    log: LogState | None,
    wanted: Iterable[Subscription],
) -> TableStatus:
    others = {each.topic for each in wanted if each.table == subscription.table} - {
        subscription.topic
    }
    positions = {
        (partition.incarnation, partition.number): position
        for partition, position in progress.positions.items()
        if partition.table == subscription.table and position.topic not in others
    }
    known = progress.incarnation(subscription.table, subscription.topic)
    newest = known[0] if known else 0
    current = {
        number: position.until_offset
        for (incarnation, number), position in positions.items()
        if incarnation == newest
    }
    landed_at = [position.landed_at for position in positions.values() if position.landed_at]
    topic = topics.get(subscription.topic) if topics is not None else None
    return TableStatus(
        table=subscription.table,
        topic=subscription.topic,
        landed_until=sum(current.values()),
        landed_at=max((datetime.fromisoformat(moment) for moment in landed_at), default=None),
        not_landed=_not_landed(topic, current) if topic else None,
        not_built=_not_built(positions, log) if log else None,
        newest_built=log.newest if log else None,
        quarantined=log.quarantined if log else None,
        older_declarations=log.older_declarations if log else None,
        problem=_problem(subscription, known, topics),
    )


def _not_landed(topic: Topic, landed: Mapping[int, int]) -> int:
    return sum(
        max(0, offsets.latest - max(landed.get(number, 0), offsets.earliest))
        for number, offsets in topic.partitions.items()
    )


def _not_built(positions: Mapping[tuple[int, int], Position], log: LogState) -> int:
    return sum(
        max(0, position.until_offset - log.until.get(place, 0))
        for place, position in positions.items()
    )


def _problem(
    subscription: Subscription, known: tuple[int, str] | None, topics: Mapping[str, Topic] | None
) -> str | None:
    if topics is None:
        return None
    topic = topics.get(subscription.topic)
    if topic is None:
        return "no such topic: `lakehouse topics apply`"
    if known and known[1] != topic.topic_id:
        return "the topic was recreated: landing stops, see `lakehouse land --once`"
    return None
