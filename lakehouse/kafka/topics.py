"""The topics that follow from the declarations, and how those of a broker differ from them.

Pure: what there is goes in, what is wrong and what may be done about it comes out;
`lakehouse.kafka.admin` asks the broker and changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ingestion.declarations import Declarations
from ingestion.settings import ConnectorName

DAY_MILLISECONDS = 24 * 60 * 60 * 1000
FOR_EVER = -1
# The connector's own topics say what happened around the changes: they live as long as these.
CONNECTOR_RETENTION_DAYS = 7
# Above the 8 MB row that landing is proved with, and above the producer's limit in
# infra/connectors/.
MAX_MESSAGE_BYTES = 10_485_760


@dataclass(frozen=True)
class Topic:
    """A topic as it should be."""

    name: str
    partitions: int
    retention_ms: int

    @property
    def settings(self) -> dict[str, str]:
        """The topic's own settings, by Kafka's names.

        LogAppendTime: the broker's clock dates a record, so that retention and landing dates do
        not depend on the clock of whoever wrote it. delete: compaction would drop changes.
        """
        return {
            "cleanup.policy": "delete",
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self.retention_ms),
        }


@dataclass(frozen=True)
class ActualTopic:
    """A topic as the broker describes it; `settings` holds at least the names of `Topic`."""

    name: str
    partitions: int
    replication_factor: int
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """One difference between a topic and its declaration, in words for a person.

    `what` is `missing`, `partitions`, `replication` or the name of one of the topic's settings.
    `permit` is the option of `lakehouse topics apply` that allows to put it right, None when no
    option can.
    """

    topic: str
    what: str
    actual: str
    declared: str
    advice: str
    permit: str | None = None


def desired_topics(declarations: Declarations, connector: ConnectorName) -> tuple[Topic, ...]:
    """The topics of `connector`: a table each, then those of the connector itself.

    Where the source has tenants, those of all. The connector's own ones have one partition: the
    order within them is their meaning.
    """
    tables = tuple(
        Topic(
            table.topics[connector],
            table.partitions,
            table.topic_retention_days * DAY_MILLISECONDS,
        )
        for part in declarations.parts
        for table in part.tables
    )
    topics: dict[str, int] = {}
    for own in (part.connectors[connector] for part in declarations.parts):
        names = (
            own.heartbeat_topic,
            own.transaction_topic,
            own.notification_topic,
            own.schema_change_topic,
        )
        topics |= dict.fromkeys(names, CONNECTOR_RETENTION_DAYS * DAY_MILLISECONDS)
        if connector == "sqlserver":
            # Without its beginning the connector cannot start again (Debezium, "schema history").
            topics[own.schema_history_topic] = FOR_EVER
    return tables + tuple(Topic(name, 1, retention) for name, retention in topics.items())


def compare(
    desired: tuple[Topic, ...], actual: Mapping[str, ActualTopic], replication_factor: int
) -> list[Finding]:
    """Every difference between `desired` and `actual` (by name), in the order of `desired`."""
    findings: list[Finding] = []
    for topic in desired:
        found = actual.get(topic.name)
        if found is None:
            findings.append(
                Finding(
                    topic.name,
                    "missing",
                    "-",
                    f"{topic.partitions} partition(s)",
                    "run `lakehouse topics apply`",
                )
            )
        else:
            findings += _partitions(topic, found)
            findings += _settings(topic, found)
            findings += _replication(found, replication_factor)
    return findings


def _partitions(topic: Topic, found: ActualTopic) -> list[Finding]:
    if found.partitions == topic.partitions:
        return []
    if found.partitions < topic.partitions:
        advice = (
            "too few: adding some moves keys to other partitions, so a key's older and newer "
            "changes are no longer in one; our order survives that, another consumer's may not"
        )
        permit = "--add-partitions"
    else:
        advice = "too many: Kafka cannot remove partitions; correct the declaration"
        permit = None
    return [
        Finding(
            topic.name,
            "partitions",
            str(found.partitions),
            str(topic.partitions),
            advice,
            permit,
        )
    ]


def _settings(topic: Topic, found: ActualTopic) -> list[Finding]:
    findings = []
    for name, declared in topic.settings.items():
        actual = found.settings.get(name, "")
        if actual == declared:
            continue
        advice, permit = "differs from what the declarations say", "--alter-settings"
        if name == "retention.ms":
            if _shorter(int(declared), int(actual or FOR_EVER)):
                advice = "shortening deletes records for good, landed or not"
                permit = "--shorten-retention"
            else:
                advice = "too short: records may be deleted before they are landed"
        elif name == "message.timestamp.type":
            advice = "the writer's clock dates the records; from now on the broker's should"
        elif name == "cleanup.policy":
            advice = "compaction drops all but the last change of a key"
        findings.append(Finding(topic.name, name, actual, declared, advice, permit))
    return findings


def _shorter(new: int, old: int) -> bool:
    return new != FOR_EVER and (old == FOR_EVER or new < old)


def _replication(found: ActualTopic, replication_factor: int) -> list[Finding]:
    if found.replication_factor >= replication_factor:
        return []
    return [
        Finding(
            found.name,
            "replication",
            str(found.replication_factor),
            str(replication_factor),
            "reassign its partitions with Kafka's own tool; a client cannot",
        )
    ]
