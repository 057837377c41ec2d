"""Which topics there should be, and what `topics check` says of those that differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from lakehouse.kafka.topics import (
    DAY_MILLISECONDS,
    FOR_EVER,
    ActualTopic,
    Topic,
    compare,
    desired_topics,
)

CUSTOMERS = Topic("retail.public.customers", 4, 7 * DAY_MILLISECONDS)


def as_declared(topic: Topic) -> ActualTopic:
    return ActualTopic(topic.name, topic.partitions, 3, dict(topic.settings))


@pytest.mark.parametrize("connector", ["postgresql", "sqlserver"])
def test_every_declared_table_has_a_topic(connector: ConnectorName) -> None:
    declarations = load()
    names = [topic.name for topic in desired_topics(declarations, connector)]
    assert names[: len(declarations.tables)] == [
        table.topics[connector] for table in declarations.tables
    ]
    assert len(names) == len(set(names))


def test_the_connectors_own_topics_have_one_partition() -> None:
    declarations = load()
    own = declarations.connectors["postgresql"]
    topics = {topic.name: topic for topic in desired_topics(declarations, "postgresql")}
    for name in (
        own.heartbeat_topic,
        own.transaction_topic,
        own.notification_topic,
        own.schema_change_topic,
    ):
        assert topics[name].partitions == 1


def test_the_schema_history_of_sql_server_is_kept_for_ever() -> None:
    *_, history = desired_topics(load(), "sqlserver")
    assert (history.name, history.partitions) == ("schema-history.retail", 1)
    assert history.settings["retention.ms"] == str(FOR_EVER)


def test_topics_as_declared_have_no_findings() -> None:
    desired = desired_topics(load(), "sqlserver")
    assert compare(desired, {topic.name: as_declared(topic) for topic in desired}, 3) == []


def with_setting(name: str, value: str) -> ActualTopic:
    return replace(as_declared(CUSTOMERS), settings=CUSTOMERS.settings | {name: value})


@pytest.mark.parametrize(
    ("actual", "what", "permit"),
    [
        pytest.param(None, "missing", None, id="missing"),
        pytest.param(
            replace(as_declared(CUSTOMERS), partitions=3),
            "partitions",
            "--add-partitions",
            id="too-few-partitions",
        ),
        pytest.param(
            replace(as_declared(CUSTOMERS), partitions=5), "partitions", None, id="too-many"
        ),
        pytest.param(
            with_setting("retention.ms", "3600000"),
            "retention.ms",
            "--alter-settings",
            id="retention-too-short",
        ),
        pytest.param(
            with_setting("retention.ms", "-1"),
            "retention.ms",
            "--shorten-retention",
            id="retention-for-ever",
        ),
        pytest.param(
            with_setting("message.timestamp.type", "CreateTime"),
            "message.timestamp.type",
            "--alter-settings",
            id="writers-clock",
        ),
        pytest.param(
            with_setting("cleanup.policy", "compact"),
            "cleanup.policy",
            "--alter-settings",
            id="compacted",
        ),
        pytest.param(
            with_setting("max.message.bytes", "1048588"),
            "max.message.bytes",
            "--alter-settings",
            id="small-messages",
        ),
        pytest.param(
            replace(as_declared(CUSTOMERS), replication_factor=1),
            "replication",
            None,
            id="one-copy",
        ),
    ],
)
def test_each_difference_is_found_and_says_what_allows_to_change_it(
    actual: ActualTopic | None, what: str, permit: str | None
) -> None:
    found = {} if actual is None else {actual.name: actual}
    [finding] = compare((CUSTOMERS,), found, 3)
    assert (finding.topic, finding.what, finding.permit) == (CUSTOMERS.name, what, permit)
    assert finding.advice


def test_all_differences_of_a_topic_are_found_at_once() -> None:
    actual = ActualTopic(CUSTOMERS.name, 1, 1, {"retention.ms": "1"})
    findings = compare((CUSTOMERS,), {CUSTOMERS.name: actual}, 2)
    assert {finding.what for finding in findings} == {
        "partitions",
        "replication",
        "retention.ms",
        "message.timestamp.type",
        "cleanup.policy",
        "max.message.bytes",
    }
