from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import TerminalError
from ingestion.landing import layout
from ingestion.landing import ledger as ledger_module
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import (
    KEEP_ROLLED_UP_SECONDS,
    Entry,
    FencedError,
    Kind,
    Ledger,
    Progress,
    fold,
    retire,
    roll_up,
)
from ingestion.landing.storage import Storage, open_storage
from tests.kit.ledger import entry


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("until_offset", "300"), ("rows", 1.5), ("table", None), ("file", 7), ("incarnation", True)],
)
def test_a_value_of_another_type_is_named(name: str, value: object, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    line = json.dumps(json.loads(entry(0, 1).to_json()) | {name: value})
    storage.put("_ledger/00000000000000000001.jsonl", line.encode())
    with pytest.raises(TerminalError, match=r"0001\.jsonl cannot be read: .* another type"):
        Ledger(storage)


def test_incarnations_are_counted_per_table() -> None:
    progress = fold([entry(0, 5), replace(entry(0, 2), incarnation=2, topic_id="B")])
    assert progress.incarnation("orders", "retail.public.orders") == (2, "B")
    assert progress.next_incarnation("orders") == 3
    assert Progress().next_incarnation("orders") == 1


@pytest.fixture
def every_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger rolls itself up at each third commit."""
    monkeypatch.setattr(ledger_module, "ROLL_UP_EVERY", 3)


@pytest.fixture
def at_once(every_third: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """And removes at once what it has rolled up."""
    monkeypatch.setattr(ledger_module, "KEEP_ROLLED_UP_SECONDS", 0.0)


def commit(ledger: Ledger, first: int, last: int) -> None:
    for step in range(first, last):
        ledger.append([entry(step, step + 1)])


@st.composite
def ledgers(draw: st.DrawFn) -> list[Entry]:
    """Ledgers of three partitions as landing writes them, over some days."""
    kinds: st.SearchStrategy[Kind] = st.sampled_from(["landed", "landed", "lost", "truncated"])
    steps = st.tuples(st.integers(0, 2), st.integers(0, 5), kinds, st.booleans(), st.booleans())
    until, day = [0, 0, 0], date(2026, 3, 1)
    entries: list[Entry] = []
    for number, width, kind, has_records, next_day in draw(st.lists(steps, max_size=25)):
        day += timedelta(days=next_day)
        start, end = until[number], until[number] + (0 if kind == "truncated" else width)
        until[number] = end
        file = DataFile(Partition("orders", 1, number), day, start, end)
        filled = kind == "landed" and has_records and width > 0
        entries.append(
            replace(
                entry(start, end, number=number),
                committed_at=f"2026-03-01T00:00:{len(entries):02d}+00:00",
                kind=kind,
                rows=width if filled else 0,
                file=file.path if filled else None,
            )
        )
    return entries


@given(ledgers(), st.integers(0, 25))
def test_a_roll_up_says_what_the_ledger_says_however_often(entries: list[Entry], at: int) -> None:
    rolled = roll_up(entries)
    assert fold(rolled) == fold(entries)
    assert roll_up([*roll_up(entries[:at]), *entries[at:]]) == rolled
    assert sum(e.rows for e in rolled) == sum(e.rows for e in entries)
    assert [e for e in rolled if e.kind != "landed"] == [e for e in entries if e.kind != "landed"]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1))
def test_a_roll_up_has_a_range_a_date(steps: list[tuple[int, bool]]) -> None:
    until, day, entries = 0, date(2026, 3, 1), [entry(0, 0)]
    for width, next_day in steps:
        day += timedelta(days=next_day)
        file = DataFile(Partition("orders", 1, 0), day, until, until + width)
        entries.append(replace(entry(until, until + width), file=file.path))
        until += width
    files = [layout.parse(e.file) for e in roll_up(entries) if e.file]
    dates = [file.landing_date for file in files if file]
    assert dates == sorted(set(dates))
    assert sum(file.until_offset - file.from_offset for file in files if file) == until


def test_a_partition_that_opens_later_is_rolled_up_as_such() -> None:
    entries = [entry(7, 7), entry(7, 9), entry(9, 12)]
    assert roll_up(entries) == [entry(7, 7), entry(7, 12)]


def test_a_start_reads_only_what_follows_the_roll_up(
    every_third: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    commit(ledger, 0, 8)
    opened: list[str] = []
    read = storage.read

    def noting(path: str) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(storage, "read", noting)
    assert Ledger(storage).progress == ledger.progress
    assert sorted(opened) == [
        f"_ledger/{7:020d}.jsonl",
        f"_ledger/{8:020d}.jsonl",
        f"_ledger/rolled/{6:020d}.jsonl",
    ]


def test_the_whole_ledger_is_the_roll_up_and_what_follows_it(
    every_third: None, tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path))
    ledger = Ledger(storage)
    lost = replace(entry(5, 8), rows=0, kind="lost", file=None)
    ranges = [entry(0, 5), lost, *(entry(end, end + 1) for end in range(8, 12))]
    for written in ranges:
        ledger.append([written])

    assert lost in ledger_module.entries(storage)
    assert fold(ledger_module.entries(storage)) == ledger.progress == fold(ranges)


def test_what_is_missing_behind_the_roll_up_is_named(every_third: None, tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    commit(Ledger(storage), 0, 6)
    storage.delete(f"_ledger/{2:020d}.jsonl")
    assert Ledger(storage).progress.positions[Partition("orders", 1, 0)].until_offset == 6
    commit(Ledger(storage), 6, 8)
    storage.delete(f"_ledger/{7:020d}.jsonl")
    with pytest.raises(TerminalError, match=r"_ledger/00000000000000000007\.jsonl is missing"):
        Ledger(storage)


def test_commits_are_removed_when_they_have_been_rolled_up_for_a_day(
    every_third: None, any_storage: Storage
) -> None:
    commit(Ledger(any_storage), 0, 8)
    rolled_up_at = any_storage.modified_at(f"_ledger/rolled/{6:020d}.jsonl")
    retire(any_storage, rolled_up_at + KEEP_ROLLED_UP_SECONDS - 60)
    assert len(any_storage.list_files(layout.LEDGER)) == 8 + 2
    retire(any_storage, rolled_up_at + KEEP_ROLLED_UP_SECONDS)
    assert [path.removeprefix("_ledger/") for path in any_storage.list_files(layout.LEDGER)] == [
        f"{6:020d}.jsonl",
        f"{7:020d}.jsonl",
        f"{8:020d}.jsonl",
        f"rolled/{6:020d}.jsonl",
    ]
    ledger = Ledger(any_storage)
    assert ledger.progress.positions[Partition("orders", 1, 0)].until_offset == 8
    commit(ledger, 8, 12)
    assert Ledger(any_storage).progress == ledger.progress


def test_a_job_that_slept_while_commits_were_removed_commits_behind_them(
    at_once: None, tmp_path: Path
) -> None:
    """The name of its next commit is free again: what is written there nobody would read."""
    storage = open_storage(str(tmp_path))
    sleeper, other = Ledger(storage), Ledger(storage)
    sleeper.append([entry(0, 5, "payments")])
    commit(other, 0, 10)
    assert f"_ledger/{2:020d}.jsonl" not in storage.list_files(layout.LEDGER)
    sleeper.append([entry(5, 9, "payments")])
    positions = Ledger(storage).progress.positions
    assert {p.table: at.until_offset for p, at in positions.items()} == {
        "orders": 10,
        "payments": 9,
    }


def test_a_writer_that_slept_while_commits_were_removed_is_fenced(
    at_once: None, tmp_path: Path
) -> None:
    storage = open_storage(str(tmp_path))
    zombie = Ledger(storage)
    zombie.append([entry(0, 1)])
    commit(Ledger(storage), 1, 10)
    with pytest.raises(FencedError, match="offsets 1 to 10"):
        zombie.append([entry(1, 2)])


def test_a_reader_at_any_instant_finds_the_whole_ledger(
    every_third: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ledger_module, "KEEP_ROLLED_UP_SECONDS", 5.0)
    storage = open_storage(str(tmp_path))
    writer, done = Ledger(storage), threading.Event()
    commit(writer, 0, 1)
    committed, seen = [1], []

    def read() -> None:
        while not done.is_set():
            before = committed[0]
            (position,) = Ledger(storage).progress.positions.values()
            seen.append((before, position.until_offset, committed[0] + 1))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(1, 150):
        commit(writer, step, step + 1)
        committed[0] = step + 1
    done.set()
    reader.join()
    assert seen
    assert all(least <= found <= most for least, found, most in seen)
