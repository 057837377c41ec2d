from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ingestion.declarations import load
from ingestion.errors import OutageError, TerminalError
from ingestion.landing import compaction, layout
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, Ledger, fold
from ingestion.landing.storage import Storage, open_storage
from lakehouse.commands import landing as landing_commands
from tests.kit.ledger import entry
from tests.unit.landing.data_files import damage, write

DAY = date(2026, 3, 1)
TODAY = DAY + timedelta(days=1)
PARTITION = Partition("orders", 1, 0)


def file(from_offset: int, until_offset: int, day: date = DAY) -> DataFile:
    return DataFile(PARTITION, day, from_offset, until_offset)


def landed_offsets(storage: Storage) -> list[int]:
    offsets: list[int] = []
    for path in storage.list_files("orders"):
        table = pq.read_table(Path(storage.uri) / path, partitioning=None)
        offsets += table["kafka_offset"].to_pylist()
    return offsets


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "landing"))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 60))
def test_merges_keep_every_offset_and_the_bound(widths: list[int], bound: int) -> None:
    files, at = {}, 0
    for width in widths:
        files[file(at, at + width)] = width
        at += width
    merges = compaction.merges(files, bound)
    merged = [part for merge in merges for part in merge.parts]
    assert len(merged) == len(set(merged))
    assert set(merged) <= set(files)
    for merge in merges:
        assert len(merge.parts) > 1
        assert sum(files[part] for part in merge.parts) <= bound
        assert merge.target.until_offset - merge.target.from_offset == sum(
            part.until_offset - part.from_offset for part in merge.parts
        )


def test_files_of_two_dates_or_with_a_gap_are_not_merged() -> None:
    sizes = dict.fromkeys([file(0, 5), file(5, 9, TODAY), file(10, 12, TODAY)], 1)
    assert compaction.merges(sizes) == []


@given(st.permutations([file(0, 5), file(5, 9), file(0, 9), file(9, 12), file(0, 12)]))
def test_covered_files_are_those_inside_a_larger_one(files: list[DataFile]) -> None:
    assert compaction.covered(files) == dict.fromkeys(
        [file(0, 5), file(5, 9), file(0, 9), file(9, 12)], file(0, 12)
    )


def test_small_files_become_one_and_go_after_the_grace_period(
    storage: Storage, tmp_path: Path
) -> None:
    progress = fold([entry(0, 5), entry(5, 9)])
    write(storage, tmp_path, file(0, 5), [0, 1, 4])
    write(storage, tmp_path, file(5, 9), [6, 8])
    assert compaction.compact(storage, progress, "orders", TODAY) == [file(0, 9)]
    assert sorted(set(landed_offsets(storage))) == [0, 1, 4, 6, 8]
    now = storage.modified_at(file(0, 9).path)
    assert compaction.remove_covered(storage, "orders", 60, now + 59) == []
    assert compaction.remove_covered(storage, "orders", 60, now + 60) == [file(0, 5), file(5, 9)]
    assert landed_offsets(storage) == [0, 1, 4, 6, 8]
    assert compaction.compact(storage, progress, "orders", TODAY) == []


def test_a_reader_at_any_instant_finds_every_record(storage: Storage, tmp_path: Path) -> None:
    for number in range(30):
        write(storage, tmp_path, file(number, number + 1), [number])
    done, seen = threading.Event(), set()

    def read() -> None:
        # DuckDB lists the files first, and opens them one by one while compaction goes on.
        query = f"select count(distinct kafka_offset) from '{storage.uri}/orders/**/*.parquet'"
        while True:
            seen.add(duckdb.connect().sql(query).fetchall()[0][0])
            if done.is_set():
                return

    reader = threading.Thread(target=read)
    reader.start()
    progress = fold([entry(0, 30)])
    merges = [
        compaction.compact(storage, progress, "orders", TODAY) for _ in range(3)
    ]  # the second and third find nothing to do
    done.set()
    reader.join()
    assert [len(added) for added in merges] == [1, 0, 0]
    assert seen == {30}


def test_todays_files_and_those_beyond_the_ledger_are_left_alone(
    storage: Storage, tmp_path: Path
) -> None:
    write(storage, tmp_path, file(0, 5), [0])
    write(storage, tmp_path, file(5, 9), [5])
    assert compaction.compact(storage, fold([entry(0, 5), entry(5, 9)]), "orders", DAY) == []
    assert compaction.compact(storage, fold([entry(0, 5)]), "orders", TODAY) == []


def test_a_file_whose_offsets_do_not_rise_is_not_compacted(
    storage: Storage, tmp_path: Path
) -> None:
    write(storage, tmp_path, file(0, 5), [0, 3, 2])
    write(storage, tmp_path, file(5, 9), [5])
    with pytest.raises(TerminalError, match="offsets do not rise"):
        compaction.compact(storage, fold([entry(0, 5), entry(5, 9)]), "orders", TODAY)
    assert len(storage.list_files("orders")) == 2


def committed(at: datetime, *ranges: tuple[int, int]) -> list[Entry]:
    return [replace(entry(*each), committed_at=at.isoformat()) for each in ranges]


def has_been_there_since(storage: Storage, path: str, at: datetime) -> None:
    os.utime(Path(storage.uri) / path, (at.timestamp(), at.timestamp()))


def test_retention_goes_by_the_time_of_the_commit(storage: Storage, tmp_path: Path) -> None:
    """Not by the records': the first files hold one of 1970, the last ones one of 2099."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    old, new = now - timedelta(days=9), now - timedelta(hours=1)
    entries = committed(old, (0, 5), (5, 9)) + committed(new, (9, 12), (12, 15))
    for each in (file(0, 5, DAY), file(9, 12, date(1970, 1, 1)), file(20, 25, date(1970, 1, 1))):
        write(storage, tmp_path, each, [each.from_offset])
    expired = [file(0, 5), file(5, 9, date(2099, 12, 31))]
    write(storage, tmp_path, expired[1], [5])
    merged = file(5, 12)
    write(storage, tmp_path, merged, [5])
    before = now - timedelta(days=1)
    assert compaction.expire(storage, entries, "orders", before) == [], "a slow clock's commits"
    for path in storage.list_files("orders"):
        has_been_there_since(storage, path, old)
    assert compaction.expire(storage, entries, "orders", before) == expired
    assert landed_offsets(storage) == [9, 20, 5], "what is newer, partly newer, or not committed"
    assert compaction.expire(storage, entries, "payments", now) == []


def test_the_command_keeps_what_the_declarations_say_and_a_grace(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retention = timedelta(days=load().table("orders").landing_retention_days)
    now = datetime.now(UTC)
    ledger = Ledger(storage)
    ages = (retention + timedelta(hours=25), retention + timedelta(hours=23), timedelta(0))
    files = [file(0, 5), file(5, 9), file(9, 12)]
    for age, each in zip(ages, files, strict=True):
        write(storage, tmp_path, each, [each.from_offset])
        has_been_there_since(storage, each.path, now - age)
        ledger.append(committed(now - age, (each.from_offset, each.until_offset)))
    monkeypatch.setenv("LAKEHOUSE_LANDING", storage.uri)
    storage.put(layout.IDENTITY, b"{}")
    run = partial(CliRunner().invoke, landing_commands.app)
    for hours in ("1e308", "inf"):
        said = run(["expire", "--tables", "orders", "--grace-hours", hours])
        assert (said.exit_code, said.output) == (0, "expired\n"), "that long ago was no moment"
    said = run(["expire", "--tables", "orders"])
    assert "orders: 1 files landed before" in said.output
    assert storage.list_files("orders") == [each.path for each in files[1:]]


def test_a_damaged_file_is_named_and_the_other_tables_are_compacted(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(layout.IDENTITY, b"{}")
    stores = [DataFile(Partition("stores", 1, 0), DAY, *ends) for ends in ((0, 5), (5, 9))]
    for each in (file(0, 5), file(5, 9), *stores):
        write(storage, tmp_path, each, [each.from_offset])
    damage(storage, file(5, 9))
    Ledger(storage).append([entry(0, 9), entry(0, 9, "stores")])
    monkeypatch.setenv("LAKEHOUSE_LANDING", storage.uri)
    result = CliRunner().invoke(landing_commands.app, ["compact"])
    assert isinstance(result.exception, TerminalError)
    assert f"orders: {file(5, 9).path} is no whole Parquet file" in str(result.exception)
    assert "stores: 1 files added" in result.output
    assert storage.list_files("orders") == [file(0, 5).path, file(5, 9).path]


def test_a_full_disk_of_temporary_files_is_a_sentence(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (file(0, 5), file(5, 9)):
        write(storage, tmp_path, each, [each.from_offset])
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - who compacts closes it
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
    with pytest.raises(OutageError, match=f"the disk is full .*{tempfile.gettempdir()}"):
        compaction.compact(storage, fold([entry(0, 9)]), "orders", TODAY)
