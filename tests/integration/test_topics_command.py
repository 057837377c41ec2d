"""`lakehouse topics` on a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from lakehouse.console import Exit
from lakehouse.kafka.admin import Topics
from lakehouse.kafka.topics import DAY_MILLISECONDS, ActualTopic, Topic, desired_topics
from playground.services.kafka import KafkaBroker
from tests.integration.records import settings_of, write
from tests.kit.command_line import CommandLine
from tests.kit.tenants import declare_tenants
from tests.kit.warehouse import copy_project

Lakehouse = Callable[..., tuple[int, str]]


@pytest.fixture
def lakehouse(
    clean_broker: KafkaBroker, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> Lakehouse:
    """Runs a command line; returns exit code and what was printed."""
    for name, value in clean_broker.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_SOURCE", "postgresql")

    def run(*arguments: str) -> tuple[int, str]:
        code, out, err = command_line("topics", *arguments)
        return code, out + err

    return run


@pytest.fixture
def topics(clean_broker: KafkaBroker) -> Topics:
    return Topics(settings_of(clean_broker))


@pytest.mark.parametrize("source", ["postgresql", "sqlserver"])
def test_apply_makes_every_declared_topic_and_check_agrees(
    lakehouse: Lakehouse, topics: Topics, source: ConnectorName
) -> None:
    assert lakehouse("check", "--source", source)[0] == Exit.ATTENTION
    code, output = lakehouse("apply", "--source", source)
    assert code == 0, output
    desired = desired_topics(load(), source)
    assert set(topics.describe(topic.name for topic in desired)) == {t.name for t in desired}
    code, output = lakehouse("check", "--source", source)
    assert (code, "as declared" in output) == (0, True)


def test_applying_again_changes_nothing(lakehouse: Lakehouse, topics: Topics) -> None:
    lakehouse("apply")
    names = [topic.name for topic in desired_topics(load(), "postgresql")]
    before = topics.describe(names)
    code, output = lakehouse("apply")
    assert (code, "0 created, 0 settings changed" in output) == (0, True)
    assert topics.describe(names) == before


def test_a_record_gets_the_brokers_time(lakehouse: Lakehouse, topics: Topics) -> None:
    lakehouse("apply")
    [customers] = topics.describe(["retail.public.customers"]).values()
    assert customers.settings["message.timestamp.type"] == "LogAppendTime"


def make_different(topics: Topics) -> None:
    """customers: one partition instead of four, kept for ever, dated by its writers."""
    topics.create([Topic("retail.public.customers", 1, -1)], replication_factor=1)
    topics.alter("retail.public.customers", {"message.timestamp.type": "CreateTime"})


def test_existing_topics_are_left_alone_and_each_difference_is_named(
    lakehouse: Lakehouse, topics: Topics
) -> None:
    make_different(topics)
    before = topics.describe(["retail.public.customers"])
    code, output = lakehouse("apply")
    assert code == Exit.REFUSED
    for option in ("--add-partitions", "--alter-settings", "--shorten-retention"):
        assert option in output
    assert topics.describe(["retail.public.customers"]) == before
    assert lakehouse("check")[0] == Exit.ATTENTION


@pytest.mark.parametrize(
    ("option", "change"),
    [
        ("--add-partitions", lambda topic: topic.partitions == 4),
        (
            "--alter-settings",
            lambda topic: topic.settings["message.timestamp.type"] == "LogAppendTime",
        ),
        (
            "--shorten-retention",
            lambda topic: topic.settings["retention.ms"] == str(7 * DAY_MILLISECONDS),
        ),
    ],
)
def test_each_option_allows_its_change_and_no_other(
    lakehouse: Lakehouse, topics: Topics, option: str, change: Callable[[ActualTopic], bool]
) -> None:
    make_different(topics)
    code, output = lakehouse("apply", option)
    assert code == Exit.REFUSED, output
    [topic] = topics.describe(["retail.public.customers"]).values()
    assert change(topic)
    assert lakehouse("check")[1].count("retail.public.customers") == 2


def test_all_options_together_make_it_as_declared(lakehouse: Lakehouse, topics: Topics) -> None:
    make_different(topics)
    code, output = lakehouse("apply", "--add-partitions", "--alter-settings", "--shorten-retention")
    assert code == 0, output
    assert lakehouse("check")[0] == 0


def test_more_copies_than_there_are_is_a_difference_that_no_option_mends(
    lakehouse: Lakehouse,
) -> None:
    lakehouse("apply")
    code, output = lakehouse("check", "--replication-factor", "3")
    assert (code, "reassign" in output) == (Exit.ATTENTION, True)


def test_describe_shows_what_the_broker_has(lakehouse: Lakehouse) -> None:
    lakehouse("apply")
    code, output = lakehouse("describe")
    assert (code, output.count("LogAppendTime")) == (0, len(desired_topics(load(), "postgresql")))


def test_peek_shows_records_with_their_coordinates(
    lakehouse: Lakehouse, clean_broker: KafkaBroker
) -> None:
    lakehouse("apply")
    write(clean_broker, "retail.transaction", b'{"status": "BEGIN"}', b"\xff\x00")
    code, output = lakehouse("peek", "retail.transaction", "--count", "5")
    decoder, records, rest = json.JSONDecoder(), [], output.strip()
    while rest:
        record, end = decoder.raw_decode(rest)
        records.append(record)
        rest = rest[end:].strip()
    assert code == 0
    assert [(r["offset"], r["value"]) for r in records] == [(0, {"status": "BEGIN"}), (1, "ff00")]


def test_peek_hides_what_is_personal_or_unknown(
    lakehouse: Lakehouse, clean_broker: KafkaBroker
) -> None:
    lakehouse("apply")
    row = {"customer_id": 7, "first_name": "Ada", "tier": "gold", "phone": "af" * 32, "new": "Ada"}
    event = {"before": None, "after": row, "op": "c", "source": {"lsn": 9}}
    write(
        clean_broker,
        load().table("customers").topics["postgresql"],
        json.dumps(event).encode(),
        b"Ada, no JSON",
        partitioner="consistent",  # all without a key into the first
    )
    for name in ("customers", load().table("customers").topics["postgresql"]):
        code, output = lakehouse("peek", name, "--count", "2")
        assert code == 0
        assert "Ada" not in output
        assert "af" * 32 not in output
        for said in ('"tier": "gold"', '"customer_id": 7', '"lsn": 9', '"before": null'):
            assert said in output
        assert '"phone": "… 64 hexadecimal digits, hidden"' in output
        assert '"value": "… 12 characters, hidden"' in output
    assert "Ada, no JSON" in lakehouse("peek", "customers", "--count", "2", "--personal")[1]


def test_peek_hides_a_tenants_too_whoever_is_not_named(
    lakehouse: Lakehouse,
    clean_broker: KafkaBroker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = declare_tenants(copy_project(tmp_path / "project", {"retail": 1}))
    monkeypatch.setattr("lakehouse.commands.topics.load", lambda: declared)
    of_de = declared.tenants["de"]
    topic = of_de.table("customers").topics["postgresql"]
    of_no_table = of_de.connectors["postgresql"].heartbeat_topic
    lakehouse("apply")
    event = b'{"after": {"first_name": "Ada"}, "message": "Ada"}'
    write(clean_broker, topic, event, partitioner="consistent")
    write(clean_broker, of_no_table, b'{"status": "BEGIN"}')
    for arguments in ((topic,), ("customers", "--tenant", "de")):
        code, output = lakehouse("peek", *arguments)
        assert (code, output.count("… 3 characters, hidden")) == (0, 2), output
    assert '"BEGIN"' in lakehouse("peek", of_no_table)[1]
    code, output = lakehouse("peek", "customers")
    assert code == Exit.ERROR
    assert "say which by --tenant" in output


def test_a_broker_that_is_not_there_is_named(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.kafka.admin.Topics", partial(Topics, timeout=1))
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    code, out, err = command_line("topics", "check")
    assert (code, out) == (Exit.ERROR, "")
    assert "127.0.0.1:1" in err
    assert "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS" in err
