"""Writing and reading records as a test needs them."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import Topic
from playground.services.kafka import KafkaBroker


def settings_of(broker: KafkaBroker) -> Settings:
    return Settings.from_environment(broker.environment())


def create_topic(broker: KafkaBroker, name: str, partitions: int = 1) -> None:
    Topics(settings_of(broker)).create([Topic(name, partitions, -1)], replication_factor=1)


def write(broker: KafkaBroker, topic: str, *values: bytes, **options: Any) -> None:
    """Write records without keys; KafkaException when the broker does not take them all."""
    failures: list[KafkaError | None] = []
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0} | options)
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failures.append(error))
    producer.flush(30)
    for failure in failures:
        if failure is not None:
            raise KafkaException(failure)


def read_all(broker: KafkaBroker, topic: str, partitions: int = 1) -> list[Message]:
    """Every record of the topic that is there now, by partition and offset."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "test",
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
    )
    records = []
    try:
        for partition in range(partitions):
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=20)
            consumer.assign([place])
            deadline = time.monotonic() + 30
            while consumer.position([place])[0].offset < end and end > 0:
                assert time.monotonic() < deadline, f"{topic} could not be read up to {end}"
                message = consumer.poll(0.2)
                if message is not None and message.error() is None:
                    records.append(message)
    finally:
        consumer.close()
    return records
