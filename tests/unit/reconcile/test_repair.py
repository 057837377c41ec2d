"""The deletes that a repair writes: accepted like the connector's own, behind what is known."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ingestion.declarations import Column, Declarations, load
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.kafka import produce
from lakehouse.reconcile.findings import LostDelete
from lakehouse.reconcile.repair import HEADER, absence_records, delete_records
from tests.kit.reference import Change, Record, Source, Tombstone, judge

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
CONNECTORS = ("sqlserver", "postgresql")
# The last version known, and what comes after it in the source: nothing may stand between.
PLACES = {
    "sqlserver": [
        pytest.param(
            "0001:0000002a:00000c78:0003:0000002a:00000c78:0002:0000000000000001",
            "0001:0000002a:00000c78:0003:0000002a:00000c79:0001:0000000000000001",
            id="a change, then another one of its commit",
        ),
        pytest.param(
            "0001:0000002a:00000c78:0003:00000000:00000000:0000:0000000000000000",
            "0001:0000002a:00000c78:0003:00000001:00000000:0001:0000000000000001",
            id="a snapshot's read, then a change",
        ),
    ],
    "postgresql": [
        pytest.param(
            "0001:00000000000000c8:000000000000005a:0000000000000001",
            "0001:00000000000000c8:000000000000005b:0000000000000002",
            id="a change, then another one of its commit",
        ),
        pytest.param(
            "0001:00000000000000c8:0000000000000000:0000000000000000",
            "0001:00000000000000c8:0000000000000002:0000000000000001",
            id="a read behind a commit, then a change",
        ),
        pytest.param(
            "0001:0000000000000096:0000000000000096:0000000000000000",
            "0001:0000000000000096:0000000000000097:0000000000000001",
            id="the first snapshot's read, then a change",
        ),
    ],
}


def value(column: Column, *, with_nulls: bool) -> Any:
    """A value as DuckDB gives it."""
    if column.nullable and with_nulls:
        return None
    return {
        "smallint": -3,
        "integer": 70_000,
        "bigint": 5_000_000_000,
        "decimal": Decimal(-1).scaleb(-(column.type.scale or 0)),
        "varchar": "Zoë"[: column.type.length],
        "boolean": True,
        "date": date(2024, 2, 29),
        "timestamp": datetime(2026, 3, 1, 8, 0, 0, 120),
    }[column.type.name]


@pytest.mark.parametrize("with_nulls", [False, True], ids=["values", "nulls"])
@pytest.mark.parametrize(
    ("connector", "last", "following"),
    [
        pytest.param(connector, *place.values, id=f"{connector}: {place.id}")
        for connector in CONNECTORS
        for place in PLACES[connector]
    ],
)
def test_it_is_accepted_right_behind_the_last_known_version(
    connector: ConnectorName, last: str, following: str, with_nulls: bool
) -> None:
    declared = load()
    for table in declared.tables:
        row = {column.name: value(column, with_nulls=with_nulls) for column in table.landed_columns}
        deleted, tombstone = delete_records(
            declared, connector, [LostDelete(table, row, last)], NOW
        )
        verdict = judge(landed(deleted), table, source_of(declared, connector))
        assert isinstance(verdict, Change), f"{table.name}: {verdict}"
        assert verdict.op == "d"
        assert last < verdict.position < following
        assert not verdict.is_floating
        assert verdict.committed_at.replace(tzinfo=UTC) == NOW
        assert verdict.row == verdict.before == tuple(row.values())
        assert deleted.topic == table.topics[connector]
        assert set(json.loads(deleted.key)) == {
            table.column(name).source_name(connector) for name in table.primary_key
        }
        assert isinstance(
            judge(landed(tombstone), table, source_of(declared, connector)), Tombstone
        )
        assert tombstone.key == deleted.key
        assert dict(deleted.headers) == {HEADER: b"2026-03-01T12:00:00.500000+00:00"}


@pytest.mark.parametrize(
    ("connector", "read"),
    [
        ("sqlserver", "0001:0000002a:00000c78:0003:00000000:00000000:0000:0000000000000000"),
        ("postgresql", "0001:0000000000000096:0000000000000096:0000000000000000"),
    ],
)
def test_an_absence_is_accepted_at_the_place_of_the_reads_and_has_their_time(
    connector: ConnectorName, read: str
) -> None:
    declared, read_at = load(), datetime(2026, 2, 1, 12, 0, 0, 7_000, tzinfo=UTC)
    for table in declared.tables:
        row = {column.name: value(column, with_nulls=False) for column in table.landed_columns}
        deleted, _ = absence_records(
            declared, connector, [LostDelete(table, row, read)], read_at, NOW
        )
        verdict = judge(landed(deleted), table, source_of(declared, connector))
        assert isinstance(verdict, Change), f"{table.name}: {verdict}"
        assert (verdict.op, verdict.position, verdict.is_absence) == ("d", read, True)
        assert verdict.committed_at.replace(tzinfo=UTC) == read_at
        assert (verdict.row, verdict.before) == (tuple(row.values()), None)
        assert dict(deleted.headers) == {HEADER: b"2026-03-01T12:00:00.500000+00:00"}


def test_a_row_of_an_epoch_that_nobody_declares_stops_the_repair() -> None:
    declared = load()
    stores = declared.table("stores")
    row = {column.name: value(column, with_nulls=True) for column in stores.landed_columns}
    lost = LostDelete(stores, row, "0009:00000000000000c8:000000000000005a:0000000000000001")
    with pytest.raises(TerminalError, match=r"table stores.*epoch 9.*store_id=70000"):
        delete_records(declared, "postgresql", [lost], NOW)


def landed(record: produce.Record) -> Record:
    return Record(record.topic, 0, 0, 0, NOW, record.key, record.value)


def source_of(declared: Declarations, connector: ConnectorName) -> Source:
    return Source(connector, declared.connectors[connector].epochs)
