from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.errors import TerminalError, TransientError
from ingestion.kafka.brokers import Offsets, Topic
from ingestion.landing import commit, layout
from ingestion.landing.job import bind
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Ledger
from ingestion.landing.plan import Start
from ingestion.landing.records import StagedFile, arrow_schema
from ingestion.landing.storage import Storage, open_storage
from tests.kit.ledger import entry
from tests.unit.landing.data_files import write

TOPIC = "retail.public.orders"
PLACE = (TOPIC, 0)
PARTITION = Partition("orders", 1, 0)
DAY = date(2026, 3, 1)
START = Start(PARTITION, TOPIC, "A", 100, None)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(str(tmp_path / "landing"))


def staged(first: int, last: int, rows: int) -> StagedFile:
    return StagedFile("_staging/s/0/part", TOPIC, 0, rows, first, last, DAY)


def topics(earliest: int, topic_id: str = "A") -> dict[str, Topic]:
    return {TOPIC: Topic(TOPIC, topic_id, {0: Offsets(earliest, 200)})}


def check(file: StagedFile | None, after: dict[str, Topic]) -> None:
    found = {PLACE: file} if file else {}
    commit.check_complete({PLACE: START}, {PLACE: 110}, found, after)


def test_a_full_range_is_complete_though_retention_has_passed_it_since() -> None:
    check(staged(100, 109, 10), topics(earliest=110))


def test_gaps_of_transactions_and_compaction_are_no_loss() -> None:
    check(staged(101, 108, 5), topics(earliest=100))
    check(None, topics(earliest=0))


def test_a_range_that_retention_passed_while_it_was_read_is_planned_again() -> None:
    with pytest.raises(TransientError, match=r"partition 0: retention has passed offset 100"):
        check(staged(105, 109, 5), topics(earliest=104))


def test_a_topic_recreated_while_it_was_read_is_planned_again() -> None:
    for after in (topics(0, topic_id="B"), {}):
        with pytest.raises(TransientError, match="deleted or created again while it was read"):
            check(staged(100, 109, 10), after)


def test_records_outside_the_range_are_refused() -> None:
    with pytest.raises(
        TerminalError, match="records 100 to 110 were read for the range 100 to 110"
    ):
        check(staged(100, 110, 10), topics(0))


def test_the_date_is_carried_forward_and_a_range_without_records_has_no_file() -> None:
    late = Start(PARTITION, TOPIC, "A", 100, date(2026, 3, 5))
    quiet = Start(Partition("orders", 1, 1), TOPIC, "A", 7, None)
    idle = Start(Partition("orders", 1, 2), TOPIC, "A", 9, None)
    starts = {PLACE: late, (TOPIC, 1): quiet, (TOPIC, 2): idle}
    ends = {PLACE: 110, (TOPIC, 1): 8, (TOPIC, 2): 9}
    files = commit.plan_files(starts, ends, {PLACE: staged(100, 109, 9)}, date(2026, 3, 6))
    assert files[PLACE].target.landing_date == date(2026, 3, 5)
    committed = commit.entries(starts, ends, files, "2026-03-06T00:00:00+00:00")
    assert [(e.kafka_partition, e.from_offset, e.until_offset, e.rows) for e in committed] == [
        (0, 100, 110, 9),
        (1, 7, 8, 0),
    ]
    assert [e.file for e in committed] == [files[PLACE].target.path, None]


def test_the_twin_of_a_task_that_ran_twice_is_left_behind(storage: Storage, tmp_path: Path) -> None:
    for twin in ("a", "b"):
        write(storage, tmp_path, DataFile(PARTITION, DAY, 0, 5), [0, 1, 4])
        source = DataFile(PARTITION, DAY, 0, 5).path
        storage.put_file(storage.fetch(source), f"_staging/s/0/part-{twin}.parquet")
    storage.put("_staging/s/0/_SUCCESS", b"")
    assert commit.staged_files(storage, "_staging/s/0", 3)[PLACE].rows == 3


def test_twins_that_differ_are_refused(storage: Storage, tmp_path: Path) -> None:
    for twin, offsets in (("a", [0, 1]), ("b", [0, 1, 2])):
        target = DataFile(PARTITION, DAY, 0, 5)
        write(storage, tmp_path, target, offsets)
        storage.put_file(storage.fetch(target.path), f"_staging/s/0/part-{twin}.parquet")
    storage.put("_staging/s/0/_SUCCESS", b"")
    with pytest.raises(TerminalError, match="two tasks read different records"):
        commit.staged_files(storage, "_staging/s/0", 3)


def test_no_file_is_a_range_without_records_where_spark_wrote_none(storage: Storage) -> None:
    with pytest.raises(commit.IncompleteError, match=r"0 records to .*/s/0, but its _SUCCESS"):
        commit.staged_files(storage, "_staging/s/0", 0)
    storage.put("_staging/s/0/_SUCCESS", b"")
    assert commit.staged_files(storage, "_staging/s/0", 0) == {}
    with pytest.raises(commit.IncompleteError, match=r"written 20 records .* hold 0"):
        commit.staged_files(storage, "_staging/s/0", 20)


@pytest.mark.parametrize("written", [2, 4], ids=["more", "fewer"])
def test_files_with_other_records_than_spark_wrote_are_refused(
    storage: Storage, tmp_path: Path, written: int
) -> None:
    target = DataFile(PARTITION, DAY, 0, 5)
    write(storage, tmp_path, target, [0, 1, 4])
    storage.put_file(storage.fetch(target.path), "_staging/s/0/part-a.parquet")
    storage.put("_staging/s/0/_SUCCESS", b"")
    with pytest.raises(commit.IncompleteError, match=f"written {written} records .* hold 3"):
        commit.staged_files(storage, "_staging/s/0", written)


def test_a_file_of_two_partitions_is_refused(storage: Storage, tmp_path: Path) -> None:
    rows = [
        {"kafka_topic": TOPIC, "kafka_partition": number, "kafka_offset": 0} for number in (0, 1)
    ]
    pq.write_table(pa.Table.from_pylist(rows, arrow_schema()), tmp_path / "mixed.parquet")
    storage.put("_staging/s/0/part-a.parquet", (tmp_path / "mixed.parquet").read_bytes())
    storage.put("_staging/s/0/_SUCCESS", b"")
    with pytest.raises(TerminalError, match="more than one partition"):
        commit.staged_files(storage, "_staging/s/0", 2)


def test_a_torn_file_is_refused(storage: Storage) -> None:
    storage.put("_staging/s/0/part-a.parquet", b"PAR1 torn")
    storage.put("_staging/s/0/_SUCCESS", b"")
    with pytest.raises(TerminalError, match="no whole Parquet file"):
        commit.staged_files(storage, "_staging/s/0", 1)


def test_visible_files_that_continue_the_ledger_are_adopted(
    storage: Storage, tmp_path: Path
) -> None:
    ledger = Ledger(storage)
    ledger.append([entry(0, 5), entry(0, 3, "payments")])
    write(storage, tmp_path, DataFile(PARTITION, DAY, 0, 5), [0, 4])
    write(storage, tmp_path, DataFile(PARTITION, DAY, 5, 9), [5, 8])
    write(storage, tmp_path, DataFile(PARTITION, date(2026, 3, 2), 9, 12), [10])
    write(storage, tmp_path, DataFile(Partition("payments", 1, 0), DAY, 3, 4), [3])
    adopted = commit.adopt(storage, ledger, ["orders"], "2026-03-02T00:00:00+00:00")
    assert [(e.from_offset, e.until_offset, e.rows) for e in adopted] == [(5, 9, 2), (9, 12, 1)]
    position = Ledger(storage).progress.positions[PARTITION]
    assert (position.until_offset, position.landing_date) == (12, date(2026, 3, 2))
    assert commit.adopt(storage, ledger, ["orders"], "2026-03-02T00:00:00+00:00") == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}"])
def test_a_landing_zone_without_its_identity_is_named(
    content: bytes, storage: Storage, tmp_path: Path
) -> None:
    storage.put(layout.IDENTITY, content)
    with pytest.raises(TerminalError, match=rf"{layout.IDENTITY} cannot be read: restore it"):
        bind(storage, open_storage(str(tmp_path / "checkpoints")))
