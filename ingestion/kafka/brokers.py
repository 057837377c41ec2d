"""Kafka's brokers as landing and people ask them: which topics there are, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ingestion.errors import TerminalError, TransientError
from ingestion.kafka.auth import librdkafka_security
from ingestion.settings import Settings

# The client's own default of 60 s is long for a person who waits.
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
    """The brokers, asked through Kafka's admin interface. Creating it connects to nothing."""

    def __init__(self, settings: Settings, timeout: float = TIMEOUT_SECONDS) -> None:
        self._settings = settings
        self._servers = settings.kafka_bootstrap_servers
        self._timeout = timeout
        self._connect()

    def _connect(self) -> None:
        from confluent_kafka.admin import AdminClient

        self._admin = AdminClient(
            {
                "bootstrap.servers": self._servers,
                # Refused connections are raised as errors; each attempt would be printed as well.
                "log_level": 0,
                "reconnect.backoff.max.ms": 1000,
                **librdkafka_security(self._settings),
            }
        )
        if self._settings.kafka_auth == "iam":
            self._admin.poll(0)  # only a poll fetches the first token

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """The topics called `names` with their ids and offsets; those that do not exist are absent.

        Raises:
            TransientError: the brokers do not answer, or a partition has no leader right now.
        """
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec

        ids = self.topic_ids(names)
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

    def first_from(
        self, places: Iterable[tuple[str, int]], at: float
    ) -> dict[tuple[str, int], int]:
        """The offset of each partition's first record from `at` (seconds since 1970) on; -1: none.

        Raises:
            TransientError: the brokers do not answer.
        """
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec

        since = OffsetSpec.for_timestamp(round(at * 1000))
        return self._offsets({TopicPartition(*place): since for place in places})

    def topic_ids(self, names: Iterable[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Id and partition numbers of the topics called `names` that exist.

        Raises:
            TransientError: the brokers do not answer as they should, whatever the cause is: an
                endless job goes on when they do again.
        """
        found = self.described(names, refused=TransientError)
        return {
            name: (str(topic.topic_id), tuple(sorted(p.id for p in topic.partitions)))
            for name, topic in found.items()
        }

    def described(
        self, names: Iterable[str], refused: type[TransientError | TerminalError] = TerminalError
    ) -> dict[str, Any]:
        """The client's descriptions of those of `names` that exist.

        Raises:
            TransientError: the brokers do not answer.
            TerminalError: they refuse; `refused` puts another error in its place.
        """
        from confluent_kafka import KafkaError, TopicCollection

        answers = self._admin.describe_topics(
            TopicCollection(list(names)), request_timeout=self._timeout
        )
        found = {}
        for name, future in answers.items():
            with self.errors(f"describe topic {name}", KafkaError.UNKNOWN_TOPIC_OR_PART, refused):
                found[name] = future.result()
        return found

    def _offsets(self, wanted: dict[Any, Any]) -> dict[tuple[str, int], int]:
        from confluent_kafka import IsolationLevel

        answers = self._admin.list_offsets(
            wanted,
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._timeout,
        )
        with self.errors("ask for the topics' offsets", refused=TransientError):
            return {
                (place.topic, place.partition): future.result().offset
                for place, future in answers.items()
            }

    @contextmanager
    def errors(
        self,
        doing: str,
        harmless: int | None = None,
        refused: type[TransientError | TerminalError] = TerminalError,
    ) -> Iterator[None]:
        """Turn the client's errors into ours: what could not be done, where, what to do."""
        from confluent_kafka import KafkaError, KafkaException

        try:
            yield
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() == harmless:
                return
            if cause.retriable() or cause.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
                # A client that has seen a cluster without a controller may wait for minutes after
                # there is one again ("Failed while waiting for controller").
                self._connect()
                raise TransientError(
                    f"cannot {doing}: no answer from the Kafka brokers at {self._servers}. Do they "
                    "run, and does LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS name them? `lakehouse doctor` "
                    f"tries each step. ({cause.str()})"
                ) from error
            raise refused(
                f"cannot {doing}: the Kafka brokers at {self._servers} refuse: {cause.str()}"
            ) from error
