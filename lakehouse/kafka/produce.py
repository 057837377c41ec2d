"""Writing records: all of them acknowledged, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

_TOPICS_SECONDS = 30
_FLUSH_SECONDS = 60


@dataclass(frozen=True)
class Record:
    """A Kafka record to be produced; a null value is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def produce(client: Mapping[str, Any], records: Sequence[Record]) -> None:
    """Hand the records to the broker and wait until it has them all.

    Args:
        client: librdkafka's settings of the connection: bootstrap.servers and security.
        records: what to write; a key goes to the partition to which Debezium would send it.

    Raises:
        TransientError: the broker does not answer, or did not take a record.
        TerminalError: a topic does not exist.
    """
    from confluent_kafka import KafkaException, Producer

    failures: list[str] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(f"{message.topic()}: {error}")

    producer = Producer(
        {
            **client,
            # Java's partitioner.
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 20,
            "compression.type": "lz4",
            "message.max.bytes": 10_485_760,
            "queue.buffering.max.messages": 1_000_000,
            # What cannot be reached is raised as an error; each attempt would be printed as well.
            "log_level": 0,
        }
    )
    # Only a poll fetches the first token of IAM.
    producer.poll(0)
    where = client["bootstrap.servers"]
    try:
        topics = producer.list_topics(timeout=_TOPICS_SECONDS).topics
    except KafkaException as error:
        raise TransientError(
            f"the broker {where} does not answer: {error}; is it running?"
        ) from error
    missing = {record.topic for record in records} - set(topics)
    if missing:
        raise TerminalError(
            f"the broker {where} has no topic {', '.join(sorted(missing))}: make the topics with "
            "`lakehouse topics apply` (LAKEHOUSE_SOURCE says whose)"
        )
    for record in records:
        while True:
            try:
                producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                    on_delivery=report,
                )
                break
            except BufferError:
                producer.poll(0.5)
        producer.poll(0)
    left = producer.flush(_FLUSH_SECONDS)
    if failures or left:
        found = failures[0] if failures else f"{left} records not acknowledged"
        raise TransientError(
            f"the broker {where} did not take all events: {found}; "
            "check that it runs and try again, what it has taken it will get twice"
        )
