"""What the broker has, and changes to it, through confluent-kafka's AdminClient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from ingestion.errors import TransientError
from ingestion.kafka.brokers import Brokers
from lakehouse.kafka.topics import ActualTopic, Finding, Topic, compare


class Topics(Brokers):
    """The topics of one cluster with their settings, and changes to them."""

    def names(self) -> tuple[str, ...]:
        """The names of all topics, in alphabetical order."""
        with self.errors("list topics"):
            return tuple(sorted(self._admin.list_topics(timeout=self._timeout).topics))

    def broker_count(self) -> int:
        """How many brokers the cluster has."""
        with self.errors("describe the cluster"):
            return len(self._admin.describe_cluster(request_timeout=self._timeout).result().nodes)

    def describe(self, names: Iterable[str]) -> dict[str, ActualTopic]:
        """Those of `names` that exist, with their settings."""
        found = self.described(names)
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in found]
        described = {}
        if resources:
            answers = self._admin.describe_configs(resources, request_timeout=self._timeout)
            for resource, future in answers.items():
                with self.errors(f"read the settings of topic {resource.name}"):
                    entries = future.result()
                partitions = found[resource.name].partitions
                described[resource.name] = ActualTopic(
                    name=resource.name,
                    partitions=len(partitions),
                    replication_factor=min(len(partition.replicas) for partition in partitions),
                    settings={name: str(entry.value) for name, entry in entries.items()},
                )
        return described

    def create(self, topics: Iterable[Topic], replication_factor: int) -> None:
        """Create `topics`; returns when the cluster knows them, also if one exists meanwhile."""
        wanted = {topic.name: topic for topic in topics}
        if not wanted:
            return
        answers = self._admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    num_partitions=topic.partitions,
                    replication_factor=replication_factor,
                    config=topic.settings,
                )
                for topic in wanted.values()
            ],
            request_timeout=self._timeout,
            operation_timeout=self._timeout,
        )
        self._wait(answers, "create topic", harmless=KafkaError.TOPIC_ALREADY_EXISTS)
        self._until(lambda: len(self.described(wanted)) == len(wanted), "see the new topics")

    def alter(self, name: str, settings: Mapping[str, str]) -> None:
        """Set `settings` of topic `name`; others stay as they are."""
        resource = ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in settings.items()
            ],
        )
        answers = self._admin.incremental_alter_configs([resource], request_timeout=self._timeout)
        self._wait(answers, "alter topic")
        self._until(
            lambda: settings.items() <= self.describe([name])[name].settings.items(),
            f"see the new settings of topic {name}",
        )

    def add_partitions(self, name: str, total: int) -> None:
        """Give topic `name` partitions until it has `total`."""
        answers = self._admin.create_partitions(
            [NewPartitions(name, total)], request_timeout=self._timeout
        )
        self._wait(answers, "add partitions to topic")
        self._until(
            lambda: self.describe([name])[name].partitions == total,
            f"see the new partitions of topic {name}",
        )

    def delete(self, names: Iterable[str]) -> None:
        """Delete topics with all they hold; those that do not exist are fine."""
        wanted = list(names)
        if wanted:
            answers = self._admin.delete_topics(wanted, operation_timeout=self._timeout)
            self._wait(answers, "delete topic", harmless=KafkaError.UNKNOWN_TOPIC_OR_PART)
            self._until(lambda: not self.described(wanted), "see the topics go")

    def _wait(
        self, answers: Mapping[Any, Future[Any]], doing: str, harmless: int | None = None
    ) -> None:
        for key, future in answers.items():
            with self.errors(f"{doing} {getattr(key, 'name', key)}", harmless=harmless):
                future.result()

    def _until(self, reached: Callable[[], bool], doing: str) -> None:
        """Wait until the brokers show what the controller has answered for: they follow it."""
        deadline = time.monotonic() + self._timeout
        while not reached():
            if time.monotonic() > deadline:
                raise TransientError(
                    f"cannot {doing}: the broker at {self._servers} does not show it after "
                    f"{self._timeout} s"
                )
            time.sleep(0.05)


@dataclass(frozen=True)
class Outcome:
    """What `apply` did: topics created, differences put right, differences left as they are."""

    created: tuple[Topic, ...]
    changed: tuple[Finding, ...]
    refused: tuple[Finding, ...]


def apply(
    topics: Topics,
    desired: tuple[Topic, ...],
    *,
    replication_factor: int,
    permits: frozenset[str] = frozenset(),
) -> Outcome:
    """Create those of `desired` that are missing; change existing ones only as `permits` allows.

    Doing it again does nothing. `permits` are names of options: `Finding.permit`.
    """
    names = {topic.name: topic for topic in desired}
    findings = compare(desired, topics.describe(names), replication_factor)
    missing = tuple(names[finding.topic] for finding in findings if finding.what == "missing")
    changed = tuple(finding for finding in findings if finding.permit in permits)
    topics.create(missing, replication_factor)
    for finding in changed:
        if finding.what == "partitions":
            topics.add_partitions(finding.topic, int(finding.declared))
        else:
            topics.alter(finding.topic, {finding.what: finding.declared})
    refused = tuple(
        finding for finding in findings if finding.what != "missing" and finding not in changed
    )
    return Outcome(missing, changed, refused)


def default_replication_factor(brokers: int) -> int:
    """Three copies, as Amazon MSK recommends, or as many as there are brokers."""
    return min(3, brokers)
