"""How far landing is behind Kafka, in records and in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.kafka.brokers import Brokers
from ingestion.settings import Settings


@dataclass(frozen=True)
class Lag:
    """What is on Kafka and not landed: offsets, and the age in seconds of the oldest record."""

    records: int
    seconds: float


def measure(
    settings: Settings, brokers: Brokers, landed: Mapping[tuple[str, int], int], now: float
) -> Lag:
    """The lag of the partitions (topic, number) of `landed`, each with its first offset to land.

    `now` is in seconds since 1970; the records' times are Kafka's, so clocks that differ count.

    Raises:
        TransientError: the brokers do not answer.
    """
    from ingestion.kafka.records import first_timestamps

    topics = brokers.topics({topic for topic, _ in landed})
    behind = {
        (topic, number): offset
        for (topic, number), offset in landed.items()
        if topic in topics
        and number in topics[topic].partitions
        and topics[topic].partitions[number].latest > offset
    }
    records = sum(
        topics[topic].partitions[number].latest - offset
        for (topic, number), offset in behind.items()
    )
    oldest = min(first_timestamps(settings, behind).values(), default=now) if behind else now
    return Lag(records, max(0.0, now - oldest))
