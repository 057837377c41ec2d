"""What is landed, and that it goes on where it stopped."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from ingestion.landing import layout
from ingestion.landing.job import Landing
from ingestion.landing.plan import Subscription
from ingestion.landing.records import arrow_schema
from ingestion.landing.storage import _LocalStorage
from tests.integration.landing.conftest import TABLE, Feed, Zone, wait_for


def test_a_record_is_landed_as_it_came(zone: Zone, feed: Feed) -> None:
    feed.create(1, **{"message.timestamp.type": "LogAppendTime"})
    feed.send((b"\xff\x00", b"\xc3("), headers=[("a", b"\xfe"), ("b", None), ("a", b"")])
    feed.send((None, None))
    zone.land(feed.topic)
    first, second = zone.rows()
    assert first["kafka_topic"] == feed.topic
    assert (first["kafka_partition"], first["kafka_offset"]) == (0, 0)
    assert (first["kafka_key"], first["kafka_value"]) == (b"\xff\x00", b"\xc3(")
    assert first["kafka_timestamp_type"] == "L"
    assert first["kafka_timestamp"].tzinfo is None
    assert first["kafka_headers"] == [
        {"key": "a", "value": b"\xfe"},
        {"key": "b", "value": None},
        {"key": "a", "value": b""},
    ]
    assert (second["kafka_key"], second["kafka_value"], second["kafka_headers"]) == (
        None,
        None,
        None,
    )


def test_files_have_the_declared_types_from_the_first_day(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(3)
    zone.land(feed.topic)
    written = [Path(zone.landing) / path for path in zone.files()]
    empty = Path(zone.landing) / layout.schema_file(TABLE)
    for path in [*written, empty]:
        assert pq.ParquetFile(path).schema_arrow.equals(arrow_schema()), path
    assert pq.read_metadata(empty).num_rows == 0


def test_a_start_looks_after_no_table_that_was_landed_before(
    zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hundred tables are as many requests to a store, or as many waits for a disk."""
    feed.create(1)
    written: list[str] = []
    put = _LocalStorage.put_if_absent

    def put_and_tell(self: _LocalStorage, path: str, content: bytes) -> bool:
        written.append(path)
        return put(self, path, content)

    monkeypatch.setattr(_LocalStorage, "put_if_absent", put_and_tell)
    for expected in ([layout.schema_file(TABLE)], []):
        written.clear()
        zone.land(feed.topic)
        assert [path for path in written if path.startswith(TABLE)] == expected


def test_each_run_lands_what_is_new_once(zone: Zone, feed: Feed) -> None:
    feed.create(3)
    for round_number in range(3):
        feed.produce(50, start=50 * round_number)
        zone.land(feed.topic)
        assert zone.landed() == feed.truth()
    assert zone.land(feed.topic) == 0
    assert [entry.kind for entry in zone.ledger()] == ["landed"] * len(zone.ledger())


def test_batches_are_bounded(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(100)
    zone.land(feed.topic, max_offsets=30)
    assert zone.landed() == feed.truth()
    assert len(zone.storage.list_files(layout.LEDGER)) >= 4
    assert max(entry.rows for entry in zone.ledger()) <= 30


def test_an_empty_and_a_missing_topic_are_no_error(zone: Zone, feed: Feed) -> None:
    assert zone.land(feed.topic) == 0
    feed.create(2)
    assert zone.land(feed.topic, "test.never.made") == 0
    assert zone.files() == []
    feed.produce(5)
    assert zone.land(feed.topic) == 5


def test_jobs_of_disjoint_tables_share_a_landing_zone(zone: Zone, feed: Feed) -> None:
    other = Feed(feed.broker).create(1)
    feed.create(1).produce(10)
    other.produce(7)
    first, second = zone.job(feed.topic), zone.job(other.topic)
    payments = [Subscription("orders_1", other.topic)]
    second = type(second)(second.settings, lambda: payments, once=True)
    runs = [
        Landing(job, zone.start_spark, zone.said.append, threading.Event())
        for job in (first, second)
    ]
    zone.start_spark()
    threads = [threading.Thread(target=run.run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert zone.landed() == feed.truth() + other.truth()
    other.delete()


def test_topics_of_one_table_are_landed_beside_each_other(zone: Zone, feed: Feed) -> None:
    """Those of tenants: the same partitions and offsets, an incarnation each."""
    other = Feed(feed.broker).create(2)
    feed.create(2)
    wanted = [Subscription(TABLE, each.topic) for each in (feed, other)]
    job = zone.job()
    job = type(job)(job.settings, lambda: wanted, once=True)
    for start in (0, 20):
        for each in (feed, other):
            each.produce(20, start=start)
        Landing(job, zone.start_spark, zone.said.append, threading.Event()).run()
    assert zone.landed() == feed.truth() + other.truth()
    numbers = {(entry.topic, entry.incarnation) for entry in zone.ledger()}
    assert numbers == {(feed.topic, 1), (other.topic, 2)}
    other.delete()


def test_a_lost_checkpoint_resumes_from_the_ledger(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(40)
    zone.land(feed.topic)
    shutil.rmtree(zone.checkpoints)
    feed.produce(10)
    assert zone.land(feed.topic) == 10
    assert any("landing goes on where the ledger ends" in line for line in zone.said)
    assert zone.landed() == feed.truth()


def test_an_old_and_a_corrupted_checkpoint_do_no_harm(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(40)
    zone.land(feed.topic)
    copy = Path(zone.checkpoints).with_name("copy")
    shutil.copytree(zone.checkpoints, copy)
    feed.produce(10)
    zone.land(feed.topic)
    shutil.rmtree(zone.checkpoints)
    copy.rename(zone.checkpoints)
    garbage = Path(zone.checkpoints) / "landing/offsets/0"
    garbage.parent.mkdir(parents=True)
    garbage.write_text("garbage")
    feed.produce(10)
    assert zone.land(feed.topic) == 10
    assert zone.landed() == feed.truth()


def test_transaction_markers_and_aborted_records_are_no_loss(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(5)
    feed.transaction(b"kept", b"kept too", abort=False)
    zone.land(feed.topic)
    feed.transaction(b"aborted", abort=True)
    assert zone.land(feed.topic) == 0
    feed.delete_before(0, 10)
    assert zone.land(feed.topic) == 0
    assert [(e.from_offset, e.until_offset, e.rows) for e in zone.ledger()] == [
        (0, 0, 0),
        (0, 8, 7),
        (8, 10, 0),
    ]


def test_all_engines_read_what_was_landed_alike(zone: Zone, feed: Feed) -> None:
    """A record of 5 MB, a tombstone and odd bytes, as pyarrow, DuckDB and Spark find them."""
    feed.create(1, **{"max.message.bytes": "10000000"})
    feed.send(
        (b"large", os.urandom(2_500_000).hex().encode()),
        (b"tombstone", None),
        (None, b"no key"),
        (b"", b""),
        (b"not utf-8", b"\xff\xfe\x00"),
        (b"deep", b"[" * 10_000 + b"]" * 10_000),
        (b"sql", b"'; drop table orders; -- {{ ref('x') }}"),
    )
    feed.send((b"headers", b"{}"), headers=[("a", b"\xfe"), ("b", None)])
    assert zone.land(feed.topic) == 8
    assert zone.landed() == feed.truth()
    names = arrow_schema().names
    by_pyarrow = [tuple(row[name] for name in names) for row in zone.rows()]
    (path,) = (f"{zone.landing}/{path}" for path in zone.files())
    columns = ", ".join(names)
    by_duckdb = duckdb.sql(f"select {columns} from '{path}' order by kafka_offset").fetchall()
    assert by_duckdb == by_pyarrow
    by_spark = zone.start_spark().read.parquet(path).select(*names).orderBy("kafka_offset")
    for row, expected in zip(by_spark.toLocalIterator(), by_pyarrow, strict=True):
        *scalars, headers = row
        # Spark's Python gives binary values as bytearray.
        plain = [bytes(v) if isinstance(v, bytearray) else v for v in scalars]
        assert tuple(plain) == expected[:-1]
        assert (headers and [tuple(header) for header in headers]) == (
            expected[-1] and [tuple(header.values()) for header in expected[-1]]
        )


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_batches(zone: Zone, feed: Feed) -> None:
    """What is alive after 200 and after 600 batches, of Java's heap and of Python's objects.

    A leak of ten kilobytes a batch would be found; what is left is noise of some hundred.
    """
    feed.create(1).produce(600)
    jvm = zone.start_spark()._jvm
    assert jvm
    runtime = jvm.java.lang.Runtime.getRuntime()
    batches, heaps, objects = 0, [], []

    def measure(line: str) -> None:
        nonlocal batches
        if not line.startswith("landed "):
            return
        batches += 1
        if batches in (200, 400, 600):
            gc.collect()
            runtime.gc()
            heaps.append(runtime.totalMemory() - runtime.freeMemory())
            objects.append(len(gc.get_objects()))

    job = zone.job(feed.topic, max_offsets=1)
    Landing(job, zone.start_spark, measure, threading.Event()).run()
    assert len(zone.storage.list_files(layout.LEDGER)) >= 600
    assert heaps[2] - heaps[0] < 4_000_000, heaps
    assert objects[2] - objects[0] < 4_000, objects


@pytest.mark.long
def test_gaps_of_log_compaction_are_no_loss(zone: Zone, feed: Feed) -> None:
    feed.create(
        1,
        **{
            "cleanup.policy": "compact",
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "100",
        },
    )
    feed.send(*((b"k", b"%d" % n) for n in range(50)))

    def is_compacted() -> bool:
        time.sleep(1)
        feed.send((b"other", b"x"))
        return len(feed.truth()) < 40

    wait_for(is_compacted)
    end = max(record[2] for record in feed.truth()) + 1
    zone.land(feed.topic)
    assert zone.landed() == feed.truth()
    assert (zone.ledger()[-1].until_offset, zone.land(feed.topic)) == (end, 0)


def test_a_running_job_picks_up_new_partitions_topics_and_tables(zone: Zone, feed: Feed) -> None:
    second, third = Feed(feed.broker), Feed(feed.broker).create(1)
    feed.create(1).produce(5)
    third.produce(3)
    job = zone.job(feed.topic, second.topic, once=False, interval=0.3, refresh=0.5)
    wanted = list(job.subscriptions())
    job = type(job)(job.settings, lambda: list(wanted), once=False, interval=0.3, refresh=0.5)
    stopping = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Landing(job, zone.start_spark, zone.said.append, stopping).run()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: sum(zone.landed().values()) == 5)
        feed.add_partitions(2)
        feed.produce(4, partition=1)
        second.create(1).produce(6)
        wait_for(lambda: bool(failures) or sum(zone.landed().values()) == 15)
        wanted.append(Subscription("orders_2", third.topic))
        wait_for(lambda: bool(failures) or len(zone.files("orders_2")) == 1)
    finally:
        stopping.set()
        thread.join()
    assert failures == []
    assert zone.landed() == feed.truth() + second.truth()
    assert zone.storage.list_files(layout.WRITERS) == []
    second.delete()
    third.delete()
