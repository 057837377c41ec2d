"""What landing asks of Kafka's brokers: which topics there are, and which offsets they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingestion.errors import TransientError
from ingestion.kafka.auth import librdkafka_security
from ingestion.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import KafkaException

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True)
class Offsets:
    """The offsets that a partition holds: `earliest` up to, excluding, `latest` (committed)."""

    earliest: int
    latest: int


@dataclass(frozen=True)
class Topic:
    """A topic as the brokers know it. The id is new whenever a topic is created."""

    name: str
    topic_id: str
    partitions: Mapping[int, Offsets]


class Brokers:
    """The brokers, asked through Kafka's admin interface."""

    def __init__(self, settings: Settings, timeout: float = TIMEOUT_SECONDS) -> None:
        from confluent_kafka.admin import AdminClient

        self._servers = settings.kafka_bootstrap_servers
        self._timeout = timeout
        self._admin = AdminClient(
            {
                "bootstrap.servers": self._servers,
                "log_level": 0,
                "reconnect.backoff.max.ms": 1000,
                **librdkafka_security(settings),
            }
        )
        if settings.kafka_auth == "iam":
            self._admin.poll(0)  # lets the token callback run once before the first request

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """The topics called `names` with their ids and offsets; those that do not exist are absent.

        Raises:
            TransientError: the brokers do not answer, or a partition has no leader right now.
        """
        ids = self.topic_ids(names)
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec

        places = [
            TopicPartition(name, number) for name, (_, numbers) in ids.items() for number in numbers
        ]
        if not places:
            return {}
        earliest = self._offsets(dict.fromkeys(places, OffsetSpec.earliest()))  # type: ignore[no-untyped-call]
        latest = self._offsets(dict.fromkeys(places, OffsetSpec.latest()))  # type: ignore[no-untyped-call]
        return {
            name: Topic(
                name,
                topic_id,
                {
                    number: Offsets(earliest[name, number], latest[name, number])
                    for number in numbers
                },
            )
            for name, (topic_id, numbers) in ids.items()
        }

    def topic_ids(self, names: Iterable[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Id and partition numbers of the topics called `names` that exist."""
        from confluent_kafka import KafkaError, KafkaException, TopicCollection

        futures = self._admin.describe_topics(
            TopicCollection(list(names)), request_timeout=self._timeout
        )
        found = {}
        for name, future in futures.items():
            try:
                topic = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise self._unreachable(error) from error
            found[name] = (str(topic.topic_id), tuple(sorted(p.id for p in topic.partitions)))
        return found

    def _offsets(self, wanted: dict[Any, Any]) -> dict[tuple[str, int], int]:
        from confluent_kafka import IsolationLevel, KafkaException

        futures = self._admin.list_offsets(
            wanted,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._timeout,
        )
        try:
            return {
                (place.topic, place.partition): future.result().offset
                for place, future in futures.items()
            }
        except KafkaException as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: KafkaException) -> TransientError:
        said = error.args[0].str()
        return TransientError(
            f"the Kafka brokers at {self._servers} do not answer as they should: {said}. "
            "Check that they run and LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS names them "
            "(`lakehouse doctor` tries each step)."
        )
