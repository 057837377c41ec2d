"""Records as they are on the broker, for a person who looks into a topic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from ingestion.errors import TerminalError
from ingestion.kafka.auth import librdkafka_security
from ingestion.settings import Settings

TIMEOUT_SECONDS = 20


def read(
    settings: Settings, topic: str, partition: int, offset: int, count: int
) -> Iterator[dict[str, Any]]:
    """Up to `count` records from `offset` on, as many as there are; key and value as bytes.

    Raises:
        TerminalError: the broker does not answer or has no such partition.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            # A consumer must name a group; this one never joins or commits.
            "group.id": "lakehouse-peek",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "log_level": 0,
            **librdkafka_security(settings),
        }
    )
    try:
        consumer.poll(0)
        place = TopicPartition(topic, partition, offset)
        try:
            first, last = consumer.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
        except KafkaException as error:
            raise TerminalError(
                f"cannot read topic {topic}, partition {partition}, at "
                f"{settings.kafka_bootstrap_servers}: {error.args[0].str()}"
            ) from error
        consumer.assign([TopicPartition(topic, partition, max(offset, first))])
        deadline = time.monotonic() + TIMEOUT_SECONDS
        position = max(offset, first)
        while count > 0 and position < last and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            [at] = consumer.position([place])
            position = max(position, at.offset)
            if message is None or message.error():
                continue
            count -= 1
            yield {
                "topic": topic,
                "partition": partition,
                "offset": message.offset(),
                "timestamp": message.timestamp()[1],
                "headers": _headers(message),
                "key": message.key(),
                "value": message.value(),
            }
    finally:
        consumer.close()


def _headers(message: Message) -> dict[str, str | None]:
    return {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value
        for name, value in dict(message.headers() or {}).items()
    }
