from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.landing import layout
from ingestion.landing.layout import DataFile, Partition, carried_date

OFFSETS = st.integers(min_value=0, max_value=2**63 - 1)
FILES = st.builds(
    DataFile,
    partition=st.builds(
        Partition,
        table=st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True),
        incarnation=st.integers(0, 99),
        number=st.integers(0, 999),
    ),
    landing_date=st.dates(),
    from_offset=OFFSETS,
    until_offset=OFFSETS,
)


@given(FILES)
def test_a_path_says_which_file_it_is(file: DataFile) -> None:
    assert layout.parse(file.path) == file


@pytest.mark.parametrize(
    "path",
    [
        layout.schema_file("customers"),
        "_ledger/00000000000000000001.jsonl",
        "_staging/abc/1/part-00000.zstd.parquet",
        "customers/incarnation=1/landing_date=2026-01-01/topic_partition=0/part-0.parquet",
        "customers/incarnation=1/landing_date=2026-01-01/topic_partition=0/"
        "00000000000000000000-00000000000000000010.parquet.crc",
    ],
)
def test_other_paths_are_no_data_files(path: str) -> None:
    assert layout.parse(path) is None


@given(st.lists(st.tuples(st.dates(), st.dates()), min_size=1))
def test_a_partitions_date_never_goes_back(batches: list[tuple[date, date]]) -> None:
    carried: date | None = None
    for first_record, today in batches:
        following = carried_date(carried, first_record, today)
        assert carried is None or following >= carried
        carried = following


def test_a_clock_that_runs_ahead_is_not_carried_forward_for_ever() -> None:
    today = date(2026, 3, 2)
    assert carried_date(None, date(9999, 1, 1), today) == today


def test_a_late_first_record_does_not_reopen_a_date() -> None:
    assert carried_date(date(2026, 3, 2), date(2026, 3, 1), date(2026, 3, 2)) == date(2026, 3, 2)


@given(FILES)
def test_no_file_covers_itself_or_its_twin_of_another_date(file: DataFile) -> None:
    twin = DataFile(file.partition, date(2000, 1, 1), file.from_offset, file.until_offset)
    assert not file.covers(file)
    assert not file.covers(twin)
