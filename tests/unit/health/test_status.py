"""How far each table has come, from what broker, ledger and warehouse say."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.declarations import load
from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing.layout import Partition
from ingestion.landing.ledger import Position, Progress
from ingestion.landing.plan import Subscription
from lakehouse.commands.status import _age
from lakehouse.health.status import TableStatus, table_statuses
from lakehouse.health.warehouse import Behind, Drift, LogState, read_local, read_warehouse
from lakehouse.settings import CommandSettings
from lakehouse.warehouse import connection

ORDERS = Subscription("orders", "retail.public.orders")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def landed(
    until: int,
    *,
    incarnation: int = 1,
    number: int = 0,
    topic_id: str = "first",
    at: datetime | None = NOON,
) -> dict[Partition, Position]:
    position = Position(
        ORDERS.topic, topic_id, until, date(2026, 3, 3), at.isoformat() if at else None
    )
    return {Partition("orders", incarnation, number): position}


def topic(*ends: int, topic_id: str = "first", earliest: int = 0) -> dict[str, Topic]:
    offsets = {number: Offsets(earliest, end) for number, end in enumerate(ends)}
    return {ORDERS.topic: Topic(ORDERS.topic, topic_id, offsets)}


def log(until: Mapping[tuple[int, int], int]) -> dict[str, LogState]:
    return {"orders": LogState(until, NOON, quarantined=0, older_declarations=0)}


def status(
    progress: Mapping[Partition, Position],
    topics: Mapping[str, Topic] | None,
    logs: Mapping[str, LogState],
) -> TableStatus:
    [row] = table_statuses([ORDERS], Progress(progress), topics, logs)
    return row


def test_lag_is_counted_over_all_partitions_on_both_ways() -> None:
    row = status(landed(100) | landed(50, number=1), topic(110, 50), log({(1, 0): 90, (1, 1): 50}))
    assert (row.landed_until, row.not_landed, row.not_built) == (150, 10, 10)
    assert (row.landed_at, row.newest_built, row.problem) == (NOON, NOON, None)


def test_a_partition_that_was_never_landed_counts_from_its_beginning() -> None:
    row = status(landed(100), topic(100, 30), {})
    assert row.not_landed == 30


def test_expired_records_are_no_lag() -> None:
    assert status({}, topic(100, earliest=60), {}).not_landed == 40


def test_the_last_landing_is_the_newest_of_any_partition() -> None:
    later = NOON + timedelta(hours=1)
    row = status(landed(1) | landed(1, number=1, at=later) | landed(0, number=2, at=None), None, {})
    assert row.landed_at == later


def test_without_broker_and_warehouse_the_ledger_still_speaks() -> None:
    row = status(landed(100), None, {})
    assert (row.landed_until, row.not_landed, row.not_built, row.problem) == (100, None, None, None)


def test_of_a_table_with_several_topics_each_has_its_own_figures() -> None:
    """Those of tenants. What an earlier topic had counts for each, until it is built."""
    other = Subscription("orders", "other.public.orders")
    progress = {
        **landed(100),
        Partition("orders", 2, 0): Position(other.topic, "its own", 30, date(2026, 3, 3)),
        Partition("orders", 3, 0): Position("former", "gone", 7, date(2026, 3, 1)),
    }
    topics = topic(110) | {other.topic: Topic(other.topic, "its own", {0: Offsets(0, 31)})}
    built = log({(1, 0): 90, (2, 0): 28, (3, 0): 7})
    rows = table_statuses([ORDERS, other], Progress(progress), topics, built)
    figures = [(row.topic, row.landed_until, row.not_landed, row.not_built) for row in rows]
    assert figures == [(ORDERS.topic, 100, 10, 10), (other.topic, 30, 1, 2)]


def test_a_missing_topic_is_named_with_what_to_do() -> None:
    assert "lakehouse topics apply" in str(status({}, {}, {}).problem)


def test_a_recreated_topic_is_named() -> None:
    assert "recreated" in str(status(landed(100), topic(5, topic_id="second"), {}).problem)


def test_earlier_incarnations_must_be_built_but_are_not_landed_any_more() -> None:
    progress = landed(100) | landed(7, incarnation=2, topic_id="second")
    row = status(progress, topic(9, topic_id="second"), log({(1, 0): 99, (2, 0): 7}))
    assert (row.landed_until, row.not_landed, row.not_built) == (7, 2, 1)


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_ages_are_in_the_unit_that_fits(age: timedelta, shown: str) -> None:
    assert _age(NOON - age, NOON) == shown


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse file with a log of orders, one record in quarantine, two runs."""
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("""
            create schema staging;
            create schema operations;
            create table staging.orders__log as
            select * from (values
                (1, 0, 3::bigint, timestamp '55840-01-01 00:00:00', 'accepted', 'new'),
                (1, 0, 4::bigint, timestamp '2026-03-03 11:00:00', 'accepted', 'new'),
                (1, 0, 5::bigint, timestamp '2026-03-03 12:00:00', 'rejected', 'old'),
                (1, 1, 9::bigint, timestamp '2026-03-02 12:00:00', 'accepted', 'old')
            ) as rows (_cdc_incarnation, kafka_partition, kafka_offset, kafka_timestamp,
                _cdc_status, _cdc_declaration);
            create table staging.quarantine as select 'orders' as table_name;
            create table staging.drift as
            select * from (values
                ('orders', 'unknown', 'Phone2', true, null),
                ('orders', 'missing', 'Fax', true, timestamp '2026-03-03 12:00:00'),
                ('orders', 'missing', 'Tel', false, null)
            ) as rows (table_name, kind, column_names, is_current, accepted_at);
            create table operations.declarations as
            select 'orders' as table_name, 'new' as declaration;
            create table operations.runs as
            select * from (values
                (1, 'succeeded', timestamp '2026-03-03 10:00:00', timestamp '2026-03-03 10:01:00'),
                (2, 'failed', timestamp '2026-03-03 11:00:00', null),
                (3, 'running', timestamp '2026-03-03 12:00:00', null)
            ) as rows (run_number, status, started_at, finished_at);
            create table operations.watermarks as
            select * from (values
                ('history.orders_history', 2), ('marts.fct_orders', 1), ('marts.dim_store', -1),
                ('marts.dim_date', 1), ('marts.dim_date', 3), ('test.retail_lakehouse.a', 1),
                ('marts.no_model_any_more', 1)
            ) as rows (consumer, run_number);
            create schema marts;
            create table marts.fct_orders as select 1 as order_id;
            create table marts.dim_store as select 1 as store_id;
        """)
    return path


def test_the_warehouse_says_how_far_it_is_built(warehouse: Path) -> None:
    found = read_local(warehouse, load())
    assert found.problem is None
    assert found.logs == {"orders": LogState({(1, 0): 6, (1, 1): 10}, NOON, 1, 1)}
    assert found.drift == (Drift("orders", "unknown", "Phone2"),)
    assert found.last_run
    assert (found.last_run.number, found.last_run.status) == (3, "running")
    assert found.behind == (Behind("marts.dim_store", 1), Behind("marts.fct_orders", 1))


def test_redshift_says_the_same_under_the_schemas_of_its_target(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its SQL is asked of a file in which the schemas carry an engineer's prefix."""
    with duckdb.connect(str(warehouse)) as database:
        for schema in ("staging", "operations"):
            database.execute(f"create schema ada_{schema}")
            for name in (
                "orders__log",
                "quarantine",
                "drift",
                "declarations",
                "runs",
                "watermarks",
            ):
                with suppress(duckdb.CatalogException):
                    database.execute(f"create table ada_{schema}.{name} as from {schema}.{name}")
            database.execute(f"drop schema {schema} cascade")
    connected = duckdb.connect(str(warehouse), read_only=True)
    monkeypatch.setenv("LAKEHOUSE_REDSHIFT_HOST", "c.example")
    monkeypatch.setenv("LAKEHOUSE_REDSHIFT_SCHEMA", "ada")
    asked = Namespace(close=connected.close, rows=lambda sql: connected.execute(sql).fetchall())
    monkeypatch.setattr(connection, "Warehouse", lambda _: asked)
    found = read_warehouse(
        CommandSettings.from_environment({"LAKEHOUSE_ENVIRONMENT": "dev"}), load()
    )
    assert found.logs == {"orders": LogState({(1, 0): 6, (1, 1): 10}, NOON, 1, 1)}
    assert found.drift == (Drift("orders", "unknown", "Phone2"),)
    assert found.last_run
    assert (found.last_run.number, found.last_run.status) == (3, "running")
    assert found.behind == (Behind("marts.dim_store", 1), Behind("marts.fct_orders", 1))


def test_a_target_that_is_named_is_asked_in_place_of_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKEHOUSE_ENVIRONMENT", "qa")
    for named, asked in ((None, "qa"), ("prod", "prod"), ("local", "")):
        assert CommandSettings.of_target(named).environment == asked


def test_a_redshift_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKEHOUSE_REDSHIFT_HOST", raising=False)
    there = CommandSettings.from_environment({"LAKEHOUSE_ENVIRONMENT": "prod"})
    assert "LAKEHOUSE_REDSHIFT_HOST is not set" in str(read_warehouse(there, load()).problem)


def test_a_warehouse_that_a_build_holds_is_said_to_be_in_use(warehouse: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print(1, flush=True);"
            "time.sleep(60)",
            str(warehouse),
        ],
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"1\n"
        assert "in use by a running build" in str(read_local(warehouse, load()).problem)
        holder.kill()
    assert read_local(warehouse, load()).problem is None


def test_no_warehouse_yet_is_no_error(tmp_path: Path) -> None:
    assert "dbt build" in str(read_local(tmp_path / "none.duckdb", load()).problem)


def test_a_file_that_is_no_warehouse_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    path.write_bytes(b"something else" * 1000)
    assert str(path) in str(read_local(path, load()).problem)


def test_a_warehouse_with_a_part_of_the_models_is_told(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema staging")
        connection.execute(
            "create table staging.customers__log (_cdc_incarnation integer,"
            " kafka_partition integer, kafka_offset bigint, kafka_timestamp timestamp)"
        )

    found = read_local(file, load())

    assert found.logs == {}
    assert "holds a part of the models: run `dbt build`" in (found.problem or "")
