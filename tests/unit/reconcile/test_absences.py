"""Which rows a snapshot proves absent, and each reason for which it proves nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from ingestion.declarations import load
from ingestion.errors import RefusedError, TerminalError
from ingestion.landing.ledger import Entry
from ingestion.settings import ConnectorName
from lakehouse.case_folding import with_folded_key
from lakehouse.reconcile.absences import NEWEST, Log, find_absences
from lakehouse.source.connectors import render

BEGAN = datetime(2026, 3, 1, 12)
PLACES: Mapping[ConnectorName, tuple[str, str, str]] = {
    # before the snapshot, the snapshot's, behind it
    "sqlserver": (
        "0001:00000000:00000000:0010:00000000:00000001:0001:0000000000000001",
        "0001:00000000:00000000:0020:00000000:00000000:0000:0000000000000000",
        "0001:00000000:00000000:0030:00000000:00000001:0001:0000000000000001",
    ),
    "postgresql": (
        "0001:000000000000000a:000000000000000b:0000000000000001",
        "0001:0000000000000020:0000000000000020:0000000000000000",
        "0001:0000000000000030:0000000000000031:0000000000000001",
    ),
}
BEFORE, AT, BEHIND = range(3)
DECLARED = load()
SETTINGS = {
    connector: render(DECLARED, connector, bootstrap_servers="", auth="none")
    for connector in PLACES
}
SCAN = {
    "snapshot_id": "one",
    "scan_id": "scan",
    "source_name": "retail",
    "kafka_topic": "",
    "scan_status": "SUCCEEDED",
    "row_count": 1,
    "started_at": BEGAN,
    "start_received_at": BEGAN,
    "scanned_at": BEGAN,
    "completed_at": BEGAN + timedelta(minutes=5),
    "completion_received_at": BEGAN + timedelta(minutes=5),
    "completion_count": 1,
    "chunk_count": 0,
}


@dataclass
class World:
    """A warehouse in which row 1 was read, and row 2 was not though it was alive."""

    connection: duckdb.DuckDBPyConnection
    connector: ConnectorName
    table: str = "stores"
    settings: dict[str, str] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)
    offset: int = 0

    def __post_init__(self) -> None:
        self.settings = dict(SETTINGS[self.connector])
        self.connection.execute("create schema staging")
        for table in DECLARED.tables:
            columns = [f"{column.name} {column.type}" for column in table.landed_columns]
            self.connection.execute(
                f"create table staging.{table.name} ({', '.join(columns)},"
                " _cdc_op text, _cdc_position text, _cdc_commit_known boolean,"
                " _cdc_committed_at timestamp, kafka_timestamp timestamp,"
                " _cdc_is_absence boolean default false, _cdc_incarnation integer,"
                " kafka_partition integer, kafka_offset bigint)"
            )
            self.view(table.name)
        self.connection.execute(
            "create table staging.quarantine"
            " (table_name text, kafka_topic text, kafka_key blob, kafka_value blob)"
        )
        self.connection.execute(
            "create table staging.stg_debezium__table_scans (snapshot_id text, scan_id text,"
            " source_name text, kafka_topic text, scan_status text, row_count bigint,"
            " started_at timestamp, start_received_at timestamp, scanned_at timestamp,"
            " completed_at timestamp, completion_received_at timestamp, completion_count bigint,"
            " chunk_count bigint)"
        )

    @property
    def topic(self) -> str:
        return DECLARED.table(self.table).topics[self.connector]

    def change(self, op: str, key: Any, place: int | str, **other: Any) -> None:
        """A change of `key`; what is not said is as usual there."""
        position = PLACES[self.connector][place] if isinstance(place, int) else place
        hours = {BEFORE: -1, AT: 0, BEHIND: 1}.get(place, -1) if isinstance(place, int) else -1
        self.offset += 1
        row = {
            DECLARED.table(other.get("table", self.table)).primary_key[0]: key,
            "_cdc_op": op,
            "_cdc_position": position,
            "_cdc_commit_known": True,
            "_cdc_committed_at": BEGAN + timedelta(hours=hours),
            "kafka_timestamp": BEGAN + timedelta(hours=hours, minutes=1),
            "_cdc_incarnation": 1,
            "kafka_partition": 0,
            "kafka_offset": self.offset,
        } | {name: value for name, value in other.items() if name != "table"}
        self.insert(other.get("table", self.table), row)

    def scan(self, **other: Any) -> None:
        self.insert("stg_debezium__table_scans", SCAN | {"kafka_topic": self.topic} | other)

    def rejected(self, key: bytes | None, **source: Any) -> None:
        """A read that is in quarantine."""
        place = {"lsn": 0x20, "commit_lsn": "00000000:00000000:0020"}
        value = json.dumps({"op": "r", "source": place | source}).encode()
        row = {"table_name": self.table, "kafka_topic": self.topic}
        self.insert("quarantine", row | {"kafka_key": key, "kafka_value": value})

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        self.connection.execute(
            f"insert into staging.{table} ({', '.join(row)}) values ({', '.join('?' * len(row))})",
            list(row.values()),
        )

    def view(self, name: str) -> None:
        """Make the staging view of a table of changes."""
        self.connection.execute(
            f"create or replace view staging.stg_retail__{name} as"
            f" select {with_folded_key(DECLARED.table(name))} from staging.{name}"
        )

    def absent(self, snapshot: str = NEWEST, tenant: str = "") -> list[str]:
        """The keys that are found."""
        log = Log(
            lambda sql: self.connection.execute(sql).fetchall(),
            "staging",
            replace(DECLARED, tenant=tenant),
            self.connector,
            DECLARED.table(self.table),
        )
        scan, found = find_absences(log, snapshot, self.settings, self.ledger)
        assert {lost.position for lost in found} <= {scan.position}
        return [lost.key.partition("=")[2] for lost in found]


@pytest.fixture(params=["sqlserver", "postgresql"])
def empty(request: pytest.FixtureRequest) -> Iterator[World]:
    with duckdb.connect() as connection:
        yield World(connection, request.param)


@pytest.fixture
def world(empty: World) -> World:
    for key in (1, 2):
        empty.change("c", key, BEFORE)
    empty.change("r", 1, AT)
    empty.scan()
    return empty


def test_a_row_that_lived_and_was_not_read(world: World) -> None:
    assert world.absent() == world.absent("one") == ["2"]


def test_what_another_tenant_has_proves_nothing_and_hides_nothing(world: World) -> None:
    """Equal keys at equal places; the other one's row 2 was read, its row 3 was not."""
    world.connection.execute("alter table staging.stores add column tenant text default 'de'")
    world.view("stores")
    world.change("c", 3, BEFORE, tenant="fr")
    world.change("r", 2, AT, tenant="fr")
    world.change("u", 2, BEHIND, tenant="fr")
    assert world.absent(tenant="de") == ["2"]
    world.change("d", 2, PLACES[world.connector][BEFORE][:-1] + "2", tenant="fr")
    assert world.absent(tenant="de") == ["2"]


def test_a_row_whose_delete_has_been_landed_is_no_finding(world: World) -> None:
    world.change("d", 2, AT, _cdc_is_absence=True, kafka_timestamp=BEGAN + timedelta(hours=9))
    assert world.absent() == []


@pytest.mark.parametrize("op", ["u", "d"])
def test_a_row_that_was_changed_behind_the_snapshot_was_there(world: World, op: str) -> None:
    world.change(op, 2, BEHIND)
    assert world.absent() == []


def test_a_row_that_was_inserted_behind_the_snapshot_was_absent(world: World) -> None:
    world.change("c", 2, BEHIND)
    assert world.absent() == ["2"]


def test_a_row_that_was_deleted_is_no_finding(world: World) -> None:
    world.change("d", 2, PLACES[world.connector][BEFORE][:-1] + "2")
    assert world.absent() == []


def test_what_was_heard_of_a_row_after_the_snapshot_began_proves_nothing(world: World) -> None:
    world.change("c", 3, BEFORE, _cdc_commit_known=False, kafka_timestamp=BEGAN)
    assert world.absent() == ["2"]


def test_a_floating_change_before_it_may_be_open_over_the_snapshot(world: World) -> None:
    world.change("c", 3, BEFORE, _cdc_commit_known=False)
    assert world.absent() == ["2"]


def test_a_rejected_read_is_counted_and_no_absence(world: World) -> None:
    world.connection.execute("update staging.stg_debezium__table_scans set row_count = 2")
    name = DECLARED.table("stores").column("store_id").source_name(world.connector)
    world.rejected(json.dumps({name: 2}).encode())
    assert world.absent() == []


def test_an_empty_table_is_proved_by_the_notification_alone(empty: World) -> None:
    empty.change("c", 2, BEFORE)
    empty.scan(row_count=0)
    empty.change("r", 9, AT, table="products")
    assert empty.absent() == ["2"]


def test_a_key_without_upper_and_lower_case_was_read_in_another_spelling(empty: World) -> None:
    empty.table = "promotions"
    for key in ("SUMMER ", "WINTER"):
        empty.change("c", key, BEFORE)
    empty.change("r", "Summer", AT)
    empty.scan()
    assert empty.absent() == ["WINTER"]


def test_a_snapshot_that_nobody_notified_of_is_an_error(world: World) -> None:
    with pytest.raises(
        TerminalError, match=r"snapshot two read stores; .*one \(2026-03-01"
    ) as told:
        world.absent("two")
    assert not isinstance(told.value, RefusedError)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("snapshot.mode", "no_data", "snapshot.mode is no_data"),
        ("snapshot.mode", "configuration_based", "snapshot.mode is configuration_based"),
        ("signal.data.collection", "public.signals", "signals can start snapshots"),
        ("signal.enabled.channels", "kafka", "signals can start snapshots"),
        ("snapshot.max.threads", "2", "several threads"),
        ("snapshot.isolation.mode", "read_committed", "snapshot.isolation.mode is read_committed"),
        ("snapshot.select.statement.overrides", "public.stores", "choose the rows"),
        ("snapshot.query.mode", "custom", "choose the rows"),
        ("transforms", "pseudonyms,filter", "a transform stands between"),
    ],
)
def test_settings_that_may_leave_rows_out(
    world: World, setting: str, value: str, reason: str
) -> None:
    world.settings[setting] = value
    with pytest.raises(RefusedError, match=reason):
        world.absent()


def test_sql_server_needs_isolation_snapshot(world: World) -> None:
    world.settings.pop("snapshot.isolation.mode", None)
    if world.connector == "sqlserver":
        with pytest.raises(RefusedError, match=r"isolation\.mode is None"):
            world.absent()
    else:
        assert world.absent() == ["2"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("completed_at = null, completion_received_at = null", "never was complete"),
        ("scan_status = 'SQL_EXCEPTION'", "ended with SQL_EXCEPTION"),
        ("row_count = null", "no number of rows"),
        ("row_count = 2", "read 2 rows of stores, and the log has 1 accepted and 0 rejected"),
        ("row_count = 0", "read 0 rows of stores, and the log has 1 accepted"),
        ("completion_count = 2", "ran at the same time"),
        ("chunk_count = 4", "several threads"),
        ("source_name = 'other'", "no epoch of its prefix other"),
        ("start_received_at = start_received_at + interval 2 minute", "0 places of reads"),
    ],
)
def test_notifications_that_prove_nothing(world: World, change: str, reason: str) -> None:
    world.connection.execute(f"update staging.stg_debezium__table_scans set {change}")
    with pytest.raises(RefusedError, match=reason):
        world.absent()


def test_two_scans_in_one_snapshot(world: World) -> None:
    world.scan(scan_id="again")
    with pytest.raises(RefusedError, match="ran at the same time"):
        world.absent()


def test_reads_of_two_places_in_the_time_of_one_snapshot(world: World) -> None:
    world.change("r", 1, BEHIND, kafka_timestamp=BEGAN + timedelta(minutes=2))
    with pytest.raises(RefusedError, match="2 places of reads"):
        world.absent()


def test_reads_within_the_stream_are_no_initial_snapshot(world: World) -> None:
    world.connection.execute(
        "update staging.stores set _cdc_position = ? where _cdc_op = 'r'",
        [PLACES[world.connector][BEHIND]],
    )
    with pytest.raises(RefusedError, match="incremental and blocking"):
        world.absent()


def test_a_slot_that_is_older_than_the_snapshot(world: World) -> None:
    world.change("u", 1, BEFORE, kafka_timestamp=BEGAN + timedelta(minutes=9))
    if world.connector == "postgresql":
        with pytest.raises(RefusedError, match="slot was not made with it"):
            world.absent()
    else:
        assert world.absent() == ["2"]


def test_a_rejected_read_whose_key_nobody_can_read(world: World) -> None:
    world.connection.execute("update staging.stg_debezium__table_scans set row_count = 2")
    world.rejected(b"{")
    with pytest.raises(RefusedError, match="key cannot be read"):
        world.absent()


@pytest.mark.parametrize(
    ("loss", "is_refused"),
    [
        pytest.param({}, True, id="within"),
        pytest.param({"kind": "truncated"}, True, id="truncated"),
        pytest.param({"kind": "landed"}, False, id="landed"),
        pytest.param({"incarnation": 2}, False, id="another incarnation"),
        pytest.param({"kafka_partition": 1}, False, id="another partition"),
        pytest.param({"table": "orders"}, False, id="another table"),
        pytest.param({"from_offset": 4, "until_offset": 9}, False, id="behind"),
    ],
)
def test_a_loss_that_was_accepted_within_the_snapshot(
    world: World, loss: dict[str, Any], is_refused: bool
) -> None:
    entry = Entry("stores", world.topic, "id", 1, 0, 3, 4, 0, "lost", "2026-03-01", None)
    world.ledger = [replace(entry, **loss)]
    if is_refused:
        with pytest.raises(RefusedError, match="a loss was accepted within it"):
            world.absent()
    else:
        assert world.absent() == ["2"]
