from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import TerminalError
from ingestion.landing import ledger as ledger_module
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, FencedError, Ledger, Progress, fold
from ingestion.landing.storage import open_storage


def entry(from_offset: int, until_offset: int, table: str = "orders", number: int = 0) -> Entry:
    file = DataFile(Partition(table, 1, number), date(2026, 3, 1), from_offset, until_offset)
    return Entry(
        table=table,
        topic=f"retail.public.{table}",
        topic_id="A",
        incarnation=1,
        kafka_partition=number,
        from_offset=from_offset,
        until_offset=until_offset,
        rows=until_offset - from_offset,
        kind="landed",
        committed_at="2026-03-01T00:00:00+00:00",
        file=file.path if until_offset > from_offset else None,
    )


def test_an_entry_survives_the_way_through_its_file() -> None:
    assert Entry.from_json(entry(3, 9).to_json()) == entry(3, 9)


@given(st.lists(st.integers(0, 1000), min_size=2).map(sorted))
def test_ranges_that_join_fold_to_the_last_end(ends: list[int]) -> None:
    ranges = pairwise([0, *ends])
    progress = fold(entry(start, end) for start, end in ranges)
    assert progress.positions[Partition("orders", 1, 0)].until_offset == ends[-1]


def test_the_date_of_the_last_file_is_kept_over_ranges_without_records() -> None:
    progress = fold([entry(0, 5), replace(entry(5, 6), rows=0, file=None)])
    assert progress.positions[Partition("orders", 1, 0)].landing_date == date(2026, 3, 1)


@pytest.mark.parametrize(("second", "what"), [((7, 9), "a gap"), ((3, 9), "an overlap")])
def test_ranges_that_do_not_join_are_named(second: tuple[int, int], what: str) -> None:
    with pytest.raises(TerminalError, match=rf"{what} at topic retail\.public\.orders"):
        fold([entry(0, 5), entry(*second)])


def test_a_ledger_whose_beginning_is_gone_is_refused() -> None:
    with pytest.raises(TerminalError, match="a gap"):
        fold([entry(5, 9)])


def test_the_next_process_reads_what_was_committed(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    ledger.append([entry(0, 5), entry(0, 7, number=1)])
    ledger.append([entry(5, 8)])
    assert Ledger(storage).progress == ledger.progress
    assert Ledger(storage).progress.positions[Partition("orders", 1, 0)].until_offset == 8


def test_jobs_of_other_tables_share_the_ledger(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    one, other = Ledger(storage), Ledger(storage)
    for step in range(3):
        one.append([entry(step, step + 1, "orders")])
        other.append([entry(step, step + 1, "payments")])
    positions = Ledger(storage).progress.positions
    assert {p.table: at.until_offset for p, at in positions.items()} == {"orders": 3, "payments": 3}


def test_a_writer_whose_partition_moved_on_is_fenced(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    zombie, successor = Ledger(storage), Ledger(storage)
    successor.append([entry(0, 9)])
    with pytest.raises(FencedError, match="offsets 0 to 9"):
        zombie.append([entry(0, 5)])
    assert len(storage.list_files("_ledger")) == 1


def test_a_missing_ledger_file_is_named(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    for step in range(3):
        ledger.append([entry(step, step + 1)])
    storage.delete("_ledger/00000000000000000002.jsonl")
    with pytest.raises(TerminalError, match=r"_ledger/00000000000000000002\.jsonl is missing"):
        Ledger(storage)


def test_a_truncated_ledger_file_is_named(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    storage.put("_ledger/00000000000000000001.jsonl", entry(0, 1).to_json()[:-9].encode())
    with pytest.raises(TerminalError, match=r"0001\.jsonl cannot be read"):
        Ledger(storage)


def test_incarnations_are_counted_per_table() -> None:
    progress = fold([entry(0, 5), replace(entry(0, 2), incarnation=2, topic_id="B")])
    assert progress.incarnation("orders", "retail.public.orders") == (2, "B")
    assert progress.next_incarnation("orders") == 3
    assert Progress().next_incarnation("orders") == 1


@pytest.fixture
def summaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "SUMMARY_EVERY", 2)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=8))
def test_a_summary_is_the_ledger_folded(steps: list[tuple[int, int]]) -> None:
    until, entries = [0, 0, 0], []
    for number, width in steps:
        entries.append(entry(until[number], until[number] + width, number=number))
        until[number] += width
    progress = fold(entries)
    assert Progress.from_json(json.loads(json.dumps(progress.to_json()))) == progress


def test_a_start_reads_only_what_follows_a_summary(summaries: None, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    for step in range(7):
        ledger.append([entry(step, step + 1)])
    assert [path[-6:] for path in storage.list_files("_progress")] == ["4.json", "6.json"]
    storage.delete(f"_ledger/{3:020d}.jsonl")
    assert Ledger(storage).progress == ledger.progress
    with pytest.raises(TerminalError, match=r"0003\.jsonl is missing"):
        Ledger(storage, verify=True)


def test_a_summary_of_another_past_is_not_trusted(summaries: None, tmp_path: Path) -> None:
    """The ledger was restored from a backup, and has grown again with other commits."""
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    for step in range(4):
        ledger.append([entry(step, step + 1)])
    for number in (3, 4):
        other = entry(2 * number - 4, 2 * number - 2)
        storage.put(f"_ledger/{number:020d}.jsonl", other.to_json().encode())
    assert Ledger(storage).progress == Ledger(storage, verify=True).progress
    assert Ledger(storage).progress.positions[Partition("orders", 1, 0)].until_offset == 6
    storage.put(f"_progress/{2:020d}.json", b"torn")
    assert Ledger(storage).progress == Ledger(storage, verify=True).progress
