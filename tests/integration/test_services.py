"""The servers together: a change travels, failures are told, nothing is lost or left behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import psycopg2
import pytest
from confluent_kafka import KafkaException, Producer

from ingestion.declarations import Declarations
from playground.services import Capture, ServiceError, Services
from playground.services.capture import SALT
from playground.services.kafka import KafkaBroker
from playground.services.postgres import PostgresServer, autocommit_cursor
from playground.shop import schema
from tests.integration.records import create_topic, read_all, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shop(database: str) -> str:
    """A database of the test's own with the shop's tables, empty."""
    schema.create(database)
    return database


@pytest.fixture
def captured(services: Services, shop: str, own_declarations: Declarations) -> Iterator[Capture]:
    """The connector on that database, streaming, under topic names of the test's own."""
    capture = services.capture(shop, own_declarations)
    capture.start()
    yield capture
    capture.delete()


def execute(dsn: str, *statements: str) -> None:
    with autocommit_cursor(dsn) as database:
        for statement in statements:
            database.execute(statement)


def values(services: Services, declarations: Declarations, table: str) -> list[Any]:
    """The events of a table, None for a tombstone."""
    declared = declarations.table(table)
    records = read_all(services.kafka, declared.topics["postgresql"], declared.partitions)
    # `extended.headers.enabled`: nobody reads them, and landing them costs
    assert [record.headers() for record in records] == [None] * len(records)
    return [json.loads(record.value() or "null") for record in records]


CUSTOMER = """
insert into customers (customer_id, email, first_name, last_name, phone, password_hash, tier,
    marketing_consent, created_at, updated_at)
values (1, 'ada@example.org', 'Ada', null, '+44 1', 'never to leave', 'gold', true, now(), now())
"""


def test_changes_travel_whole_and_personal_data_does_not(
    services: Services, shop: str, captured: Capture, own_declarations: Declarations
) -> None:
    execute(
        shop,
        CUSTOMER,
        "update customers set tier = 'silver' where customer_id = 1",
        "delete from customers where customer_id = 1",
    )
    captured.wait_until_delivered()

    created, updated, deleted, tombstone = values(services, own_declarations, "customers")

    assert [event["op"] for event in (created, updated, deleted)] == ["c", "u", "d"]
    assert tombstone is None
    assert (updated["before"]["tier"], updated["after"]["tier"]) == ("gold", "silver")
    assert deleted["before"] == updated["after"]
    assert deleted["source"]["sequence"], "the position of the commit before"
    assert deleted["transaction"]["total_order"] == 1
    for row in (created["after"], updated["before"], updated["after"], deleted["before"]):
        assert "password_hash" not in row
        assert "never to leave" not in row.values()
        assert row["phone"] not in (None, "+44 1")
        assert len(row["phone"]) == hashlib.sha256(SALT.encode()).digest_size * 2
        assert row["last_name"] is None


def test_the_snapshot_reads_what_was_there_before(
    services: Services, shop: str, own_declarations: Declarations
) -> None:
    execute(shop, CUSTOMER)
    capture = services.capture(shop, own_declarations)
    capture.start()
    capture.wait_until_delivered()
    [read] = values(services, own_declarations, "customers")
    assert (read["op"], read["after"]["customer_id"]) == ("r", 1)
    capture.delete()


def test_a_stopped_connector_catches_up(
    services: Services, shop: str, captured: Capture, own_declarations: Declarations
) -> None:
    captured.stop()
    assert captured.status().state == "STOPPED"
    execute(shop, CUSTOMER)
    captured.resume()
    captured.wait_until_streaming()
    captured.wait_until_delivered()
    assert [event["op"] for event in values(services, own_declarations, "customers")] == ["c"]


def test_a_killed_worker_delivers_every_change_at_least_once_and_in_order(
    services: Services, shop: str, captured: Capture, own_declarations: Declarations
) -> None:
    execute(shop, CUSTOMER)
    captured.wait_until_delivered()
    numbers = [str(number) for number in range(200)]
    execute(shop, *(f"update customers set first_name = '{n}'" for n in numbers))
    services.connect.kill()
    services.connect.restart()
    captured.start()
    captured.wait_until_delivered()
    names = [
        event["after"]["first_name"] for event in values(services, own_declarations, "customers")
    ]
    # The first deliveries in their order; what the crash made the worker send again comes after.
    assert list(dict.fromkeys(names)) == ["Ada", *numbers]


def test_settings_that_the_connector_refuses_are_named_with_the_reason(
    services: Services, shop: str, own_declarations: Declarations
) -> None:
    capture = services.capture(shop, own_declarations)
    capture.settings["database.password"] = "wrong"
    with pytest.raises(ServiceError, match=r"database\.hostname: .*password authentication failed"):
        capture.start()


def test_a_connector_that_fails_later_says_why(
    services: Services, shop: str, own_declarations: Declarations
) -> None:
    capture = services.capture(shop, own_declarations)
    capture.settings["publication.autocreate.mode"] = "disabled"
    with pytest.raises(ServiceError, match="Publication autocreation is disabled"):
        capture.start()
    capture.delete()


def test_what_reads_the_pgoutput_is_not_stopped_by_messages_of_others(
    services: Services, shop: str, captured: Capture, own_declarations: Declarations
) -> None:
    execute(shop, "select pg_logical_emit_message(true, 'somebody', 'else')", CUSTOMER)
    captured.wait_until_delivered(seconds=30)
    assert len(values(services, own_declarations, "customers")) == 1


def test_a_killed_broker_comes_back_with_its_records_on_the_same_port(kafka: KafkaBroker) -> None:
    create_topic(kafka, "survivor")
    write(kafka, "survivor", b"before")
    address = kafka.bootstrap_servers
    kafka.kill()
    assert not kafka.process.running
    kafka.restart()
    write(kafka, "survivor", b"after")
    assert kafka.bootstrap_servers == address
    assert [record.value() for record in read_all(kafka, "survivor")] == [b"before", b"after"]


def test_records_of_eight_megabytes_and_transactions_pass_on_one_node(kafka: KafkaBroker) -> None:
    create_topic(kafka, "large")
    large = b"x" * 8 * 1024 * 1024
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "message.max.bytes": 10_000_000,
            "transactional.id": "large",
            "log_level": 0,
        }
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("large", large)
    producer.commit_transaction(30)
    [record] = read_all(kafka, "large")
    assert record.value() == large


def test_topics_are_not_created_by_writing_to_them(kafka: KafkaBroker) -> None:
    with pytest.raises(KafkaException, match="Unknown topic"):
        write(kafka, "never-declared", b"lost", **{"topic.metadata.propagation.max.ms": 0})


def test_two_databases_are_apart_and_dropping_one_ends_its_slots(services: Services) -> None:
    first = services.postgres.create_database("first")
    services.postgres.create_database("second")
    execute(
        first,
        "create table only_here (id bigint)",
        "select pg_create_logical_replication_slot('first_slot', 'pgoutput')",
    )
    with pytest.raises(psycopg2.errors.UndefinedTable):
        execute(services.postgres.dsn("second"), "select * from only_here")
    services.postgres.drop_database("first")
    services.postgres.drop_database("second")
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        execute(first, "select 1")


STARTER = """
import sys, time
from pathlib import Path
from playground.services import Services
with Services(Path(sys.argv[1]), kafka=False, connect=False):
    print("started", flush=True)
    time.sleep(60)
"""


def test_kill_9_of_the_starter_leaves_no_database_server_and_the_next_start_goes_on(
    tmp_path: Path,
) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    with starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"started\n"
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while str(tmp_path) in processes():
        assert time.monotonic() < deadline, processes()
        time.sleep(0.05)
    with Services(tmp_path, kafka=False, connect=False) as again:
        execute(again.postgres.dsn("postgres"), "select 1")
    assert str(tmp_path) not in processes()


def test_the_next_start_waits_for_a_database_server_that_is_still_stopping(
    tmp_path: Path,
) -> None:
    first = PostgresServer(tmp_path / "postgres", tmp_path / "first.log")
    second = PostgresServer(tmp_path / "postgres", tmp_path / "second.log")
    try:
        first.start()
        first.wait_until_ready()
        holder = int((tmp_path / "postgres/data/postmaster.pid").read_text().split()[0])
        # It takes a second to obey.
        os.kill(holder, signal.SIGSTOP)
        Timer(1, os.kill, (holder, signal.SIGCONT)).start()
        first.process.ask_to_stop()
        second.start()
        second.wait_until_ready()
    finally:
        first.process.stop()
        second.process.stop()


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
