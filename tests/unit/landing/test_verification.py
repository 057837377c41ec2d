"""What is gone of a landing zone is found, and nothing else is reported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, roll_up
from ingestion.landing.storage import Storage, open_storage
from lakehouse.health.verification import verify
from tests.kit.ledger import entry
from tests.unit.landing.data_files import damage, write

PARTITION = Partition("orders", 1, 0)
NOW = datetime(2026, 3, 10, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)


def file(from_offset: int, until_offset: int) -> DataFile:
    return DataFile(PARTITION, date(2026, 3, 1), from_offset, until_offset)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "landing"))


@pytest.fixture
def entries(storage: Storage, tmp_path: Path) -> list[Entry]:
    """Four ranges, one of them of markers only; a record's offset was another marker's."""
    ranges = {(0, 5): [0, 1, 2, 3, 4], (5, 9): [5, 8], (9, 12): [], (12, 14): [12, 13]}
    committed = []
    for (first, until), offsets in ranges.items():
        if offsets:
            write(storage, tmp_path, file(first, until), offsets)
        committed.append(replace(entry(first, until), rows=len(offsets)))
    return committed


def found(storage: Storage, entries: list[Entry]) -> list[tuple[int, int, int, int]]:
    differences = verify(storage, entries, "orders", SINCE).differences
    return [(d.from_offset, d.until_offset, d.landed, d.found) for d in differences]


def test_what_is_whole_is_not_reported(
    storage: Storage, entries: list[Entry], tmp_path: Path
) -> None:
    assert found(storage, entries) == []
    assert found(storage, roll_up(entries)) == []
    write(storage, tmp_path, file(0, 9), [0, 1, 2, 3, 4, 5, 8])
    write(storage, tmp_path, file(14, 20), [14])
    assert found(storage, entries) == [], "merged, not yet removed; not yet in the ledger"
    for small in (file(0, 5), file(5, 9)):
        storage.delete(small.path)
    assert found(storage, entries) == []


def test_a_file_that_is_gone_or_torn_is_named(storage: Storage, entries: list[Entry]) -> None:
    storage.delete(file(5, 9).path)
    storage.put(file(12, 14).path, b"PAR1 torn")
    assert found(storage, entries) == [(5, 9, 2, 0), (12, 14, 2, 0)]
    (whole,) = found(storage, roll_up(entries))
    assert whole == (0, 14, 9, 5)
    (first, _) = verify(storage, entries, "orders", SINCE).differences
    assert str(first) == (
        "topic retail.public.orders, orders (incarnation 1) partition 0, offsets 5 to 9: "
        "2 records were landed, the files hold 0"
    )


def test_a_file_with_other_records_is_named(
    storage: Storage, entries: list[Entry], tmp_path: Path
) -> None:
    write(storage, tmp_path, file(5, 9), [5])
    assert found(storage, entries) == [(5, 9, 2, 1)]


def test_what_retention_removes_is_not_missed(storage: Storage, entries: list[Entry]) -> None:
    old = (SINCE - timedelta(hours=1)).isoformat()
    aged = [replace(e, committed_at=old) if e.until_offset <= 9 else e for e in entries]
    storage.delete(file(0, 5).path)
    assert found(storage, aged) == []
    storage.delete(file(12, 14).path)
    assert found(storage, aged) == [(12, 14, 2, 0)]


def test_what_was_compared_is_told(storage: Storage, entries: list[Entry], tmp_path: Path) -> None:
    write(storage, tmp_path, file(14, 20), [14])
    found = verify(storage, entries, "orders", SINCE)
    assert (found.ranges, found.records, found.files) == (3, 9, 3), "what the ledger knows"
    old = (SINCE - timedelta(hours=1)).isoformat()
    aged = [replace(e, committed_at=old) if e.until_offset <= 9 else e for e in entries]
    found = verify(storage, aged, "orders", SINCE)
    assert (found.ranges, found.records, found.files) == (1, 2, 1)


def test_a_footer_that_cannot_be_read_holds_no_records(
    storage: Storage, entries: list[Entry]
) -> None:
    damage(storage, file(5, 9))
    assert found(storage, entries) == [(5, 9, 2, 0)]
