"""How far landing is behind Kafka, in records and in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.kafka.brokers import Brokers


@dataclass(frozen=True)
class Lag:
    """What is on Kafka and not landed: offsets, and the age in seconds of the oldest record."""

    records: int
    seconds: float


def measure(brokers: Brokers, landed: Mapping[tuple[str, int], int], now: float) -> Lag:
    """The lag of the partitions (topic, number) of `landed`, each with its first offset to land.

    `now` is in seconds since 1970; the records' times are Kafka's, so clocks that differ count.

    Raises:
        TransientError: the brokers do not answer.
    """
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
    return Lag(records, _age(brokers, behind, now) if behind else 0.0)


def _age(brokers: Brokers, behind: Mapping[tuple[str, int], int], now: float) -> float:
    """How old the oldest record at these offsets is, to a hundredth; brokers find offsets by time.

    A time is not after the oldest where the first record from it on is none of the later ones.
    """

    def is_older(age: float) -> bool:
        found = brokers.first_from(behind, now - age)
        return all(0 <= found[place] <= offset for place, offset in behind.items())

    younger, older = 0.0, 1.0
    while not is_older(older):
        younger, older = older, older * 4
        if older > now:
            return 0.0  # nothing but the markers of transactions
    while older - younger > max(0.05, younger / 100):
        middle = (younger + older) / 2
        younger, older = (younger, middle) if is_older(middle) else (middle, older)
    return older
