"""Records as they are on the broker, for a person who looks into a topic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from ingestion.errors import TerminalError
from ingestion.kafka.auth import librdkafka_security
from ingestion.settings import Settings

TIMEOUT_SECONDS = 10
# A partition that is new, or whose broker has just gone, gets its leader in a moment.
_BETWEEN_LEADERS = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


def newest_timestamp(settings: Settings, topic: str) -> float | None:
    """When the last record of a topic's first partition was written, in seconds since 1970.

    None for an empty topic. Raises TerminalError as `read` does.
    """
    with _consumer(settings) as consumer:
        first, last = _bounds(consumer, settings, TopicPartition(topic, 0))
    for record in read(settings, topic, 0, max(first, last - 1), 1):
        return int(record["timestamp"]) / 1000
    return None


def read(
    settings: Settings, topic: str, partition: int, offset: int, count: int
) -> Iterator[dict[str, Any]]:
    """Up to `count` records from `offset` on, as many as there are; key and value as bytes.

    Raises:
        TerminalError: the broker does not answer or has no such partition.
    """
    for message in messages(settings, topic, partition, offset, count):
        yield {
            "topic": topic,
            "partition": partition,
            "offset": message.offset(),
            "timestamp": message.timestamp()[1],
            "headers": _headers(message),
            "key": message.key(),
            "value": message.value(),
        }


def messages(
    settings: Settings, topic: str, partition: int, offset: int, count: int
) -> Iterator[Message]:
    """The same records as they are. Raises TerminalError as `read` does."""
    with _consumer(settings) as consumer:
        place = TopicPartition(topic, partition)
        first, last = _bounds(consumer, settings, place)
        position = max(offset, first)
        consumer.assign([TopicPartition(topic, partition, position)])
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while count > 0 and position < last and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            [at] = consumer.position([place])
            position = max(position, at.offset)
            if message is None or message.error():
                continue
            count -= 1
            yield message


@contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            # A consumer must name a group; this one never joins or commits.
            "group.id": "lakehouse-peek",
            "enable.auto.commit": False,
            "log_level": 0,
            **librdkafka_security(settings),
        }
    )
    try:
        # Only a poll fetches the first token.
        consumer.poll(0)
        yield consumer
    finally:
        consumer.close()


def _bounds(consumer: Consumer, settings: Settings, place: TopicPartition) -> tuple[int, int]:
    """The first offset that the partition has, and the one after its last."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            first, last = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() in _BETWEEN_LEADERS and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise TerminalError(
                f"cannot read topic {place.topic}, partition {place.partition}, at "
                f"{settings.kafka_bootstrap_servers}: {cause.str()}"
            ) from error
        return first, last


def _headers(message: Message) -> dict[str, str | None]:
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in dict(message.headers() or {}).items()
    }
