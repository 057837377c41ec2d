"""The shop's activity as SQL Server's events on a real broker: all of it, equal to the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from ingestion.declarations import Declarations, Table, load
from ingestion.errors import TerminalError
from ingestion.settings import Settings
from lakehouse.kafka.admin import Topics, apply
from lakehouse.kafka.topics import desired_topics
from lakehouse.source.envelopes import Origin
from lakehouse.source.positions import SqlServerPlace, lsn_text
from playground.services.kafka import KafkaBroker
from playground.shop.simulator import Shop
from playground.shop.sqlserver.connector import ALL_QUIRKS
from playground.shop.sqlserver.layout import layouts
from playground.shop.sqlserver.writer import SqlServerEvents
from playground.shop.stress import Stress
from tests.integration.shop.conftest import SMALL, rows

SALT = "salt-of-the-tests-0123456789"
ANYWHERE = Origin(SqlServerPlace(1), 0)
Key = tuple[Any, ...]


@pytest.fixture
def declarations(kafka: KafkaBroker, own_declarations: Declarations) -> Declarations:
    """Declarations whose topics exist."""
    apply(
        Topics(Settings.from_environment(kafka.environment())),
        desired_topics(own_declarations, "sqlserver"),
        replication_factor=1,
    )
    return own_declarations


def values(broker: KafkaBroker, topic: str) -> Iterator[bytes | None]:
    """The values of a topic, from each partition's beginning to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "not used",
            "log_level": 0,
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        ended = 0
        while ended < len(partitions):
            message = consumer.poll(30)
            assert message is not None, f"{topic}: the broker does not answer"
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                ended += 1
                continue
            yield message.value()
    finally:
        consumer.close()


def envelopes(broker: KafkaBroker, topic: str) -> list[dict[str, Any]]:
    return [json.loads(value) for value in values(broker, topic) if value is not None]


def place(event: dict[str, Any]) -> tuple[Any, ...]:
    """The order of a row's events that the pipeline derives from their source blocks."""
    source = event["source"]
    return (
        source["commit_lsn"],
        source["change_lsn"] or lsn_text(0),
        source["event_serial_no"] or 0,
        "dcur".index(event["op"]),
    )


def end_state(events: list[dict[str, Any]], names: list[str]) -> dict[Key, dict[str, Any]]:
    """The rows that the events leave behind, the last event of each key in the log's order."""
    latest: dict[Key, dict[str, Any]] = {}
    for event in sorted(events, key=place):
        row = event["after"] or event["before"]
        latest[tuple(row[name] for name in names)] = event
    return {key: event["after"] for key, event in latest.items() if event["after"] is not None}


def truth(dsn: str, table: Table) -> dict[Key, dict[str, Any]]:
    """The table's rows as the connector would write them."""
    layout = layouts(load(), SALT)[table.name]
    found = {}
    for (text,) in rows(dsn, f"select to_jsonb(row)::text from {table.name} as row"):
        image = json.loads(str(text), parse_float=str)
        value = json.loads(layout.event("r", (None, image), ANYWHERE, None, 0))
        found[tuple(layout.key(image).values())] = value["after"]
    return found


def test_events_leave_behind_what_the_shop_holds(
    empty_shop: str, kafka: KafkaBroker, declarations: Declarations, tmp_path: Path
) -> None:
    def process() -> SqlServerEvents:
        return SqlServerEvents(
            empty_shop,
            kafka.bootstrap_servers,
            salt=SALT,
            declarations=declarations,
            quirks=ALL_QUIRKS,
            state=tmp_path / "progress.json",
        )

    with Shop(empty_shop, seed=4, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        with shop.transaction_left_open():
            process().start()
            shop.round(1_000)
            process().stream()
        shop.round(1_000)
        process().stream()
    streamed: list[dict[str, Any]] = []
    for table in declarations.tables:
        found = envelopes(kafka, table.topics["sqlserver"])
        names = [table.column(name).source_name("sqlserver") for name in table.primary_key]
        streamed += found

        assert end_state(found, names) == truth(empty_shop, table), table.name
    assert {event["source"]["snapshot"] for event in streamed} == {
        *("first", "first_in_data_collection", "true", "last_in_data_collection", "last"),
        *("incremental", None),
    }


def test_every_change_after_the_snapshot_is_streamed_once_but_for_redelivery(
    empty_shop: str, kafka: KafkaBroker, declarations: Declarations, tmp_path: Path
) -> None:
    def process() -> SqlServerEvents:
        return SqlServerEvents(
            empty_shop,
            kafka.bootstrap_servers,
            salt=SALT,
            declarations=declarations,
            state=tmp_path / "progress.json",
        )

    with Shop(empty_shop, seed=4, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        ((before,),) = rows(empty_shop, "select max(sequence) from audit.changes")
        process().start()
        with shop.transaction_left_open():
            shop.round(400)
            process().stream()
        process().stream()
    found = {
        (event["op"], event["source"]["table"], place(event))
        for table in declarations.tables
        for event in envelopes(kafka, table.topics["sqlserver"])
        if event["op"] != "r"
    }
    ((expected,),) = rows(
        empty_shop,
        f"""
        select count(*) + count(*) filter (where operation = 'u' and key <> (
            select jsonb_object_agg(name, old_row -> name) from jsonb_object_keys(key) as name
        )) from audit.changes where sequence > {before}
        """,
    )

    assert len(found) == expected


def test_transaction_metadata_counts_every_transaction(
    empty_shop: str, kafka: KafkaBroker, declarations: Declarations
) -> None:
    events = SqlServerEvents(
        empty_shop, kafka.bootstrap_servers, salt=SALT, declarations=declarations
    )
    events.start()
    with Shop(empty_shop, seed=4, scale=SMALL, market=Stress()) as shop:
        shop.seed()
    events.stream()
    metadata = envelopes(kafka, declarations.connectors["sqlserver"].transaction_topic)
    ends = [entry for entry in metadata if entry["status"] == "END"]
    ((transactions, changes),) = rows(
        empty_shop, "select count(distinct transaction_id), count(*) from audit.changes"
    )

    assert (len(ends), len(metadata)) == (transactions, 2 * len(ends))
    assert sum(entry["event_count"] for entry in ends) == changes


def test_streaming_needs_a_snapshot_first(empty_shop: str) -> None:
    with pytest.raises(TerminalError, match="snapshot first"):
        SqlServerEvents(empty_shop, "127.0.0.1:1", salt=SALT).stream()


def test_a_topic_that_is_not_there_is_said_so(
    empty_shop: str, kafka: KafkaBroker, own_declarations: Declarations
) -> None:
    events = SqlServerEvents(
        empty_shop, kafka.bootstrap_servers, salt=SALT, declarations=own_declarations
    )

    with pytest.raises(TerminalError, match="topics apply"):
        events.start()
    assert not events.started
