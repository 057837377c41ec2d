"""What happens while a job runs and passes again, and what one record can do."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ingestion.errors import LakehouseError, RefusedError, TransientError
from ingestion.landing import layout, spark
from ingestion.landing.job import Landing
from tests.integration.landing.conftest import TABLE, Feed, Zone, java_of, wait_for
from tests.kit.relay import Relay

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@contextmanager
def running(zone: Zone, feed: Feed, **options: Any) -> Iterator[list[LakehouseError]]:
    """An endless job in this process; what it ends with, if it ends by itself."""
    stopping = threading.Event()
    failures: list[LakehouseError] = []
    job = zone.job(feed.topic, once=False, **({"interval": 0.2, "refresh": 0.5} | options))

    def run() -> None:
        try:
            Landing(job, zone.start_spark, zone.said.append, stopping).run()
        except LakehouseError as error:
            failures.append(error)

    zone.start_spark()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failures
    finally:
        stopping.set()
        thread.join()


def landed(zone: Zone) -> int:
    return sum(zone.landed().values())


def said(zone: Zone, words: str) -> bool:
    return any(words in line for line in zone.said)


def test_a_topic_recreated_with_as_many_records_while_landing_runs(zone: Zone, feed: Feed) -> None:
    feed.create(1).produce(5)
    with running(zone, feed) as failures:
        wait_for(lambda: landed(zone) == 5)
        feed.delete()
        feed.create(1).produce(5, start=100)
        wait_for(lambda: bool(failures))
    assert isinstance(failures[0], RefusedError)
    assert f"topic {feed.topic} was deleted and created again (topic id" in str(failures[0])


def test_java_alone_is_killed(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(20)
    process = zone.process(feed.topic, once=False, interval=0.2, refresh=1)
    try:
        wait_for(lambda: landed(zone) == 20)
        subprocess.run(["kill", "-9", str(java_of(process.pid))], check=True)
        feed.produce(20, start=20)
        wait_for(lambda: landed(zone) == 40 or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, output
        assert "Spark's Java process has ended" in output
        assert "Traceback" not in output
    finally:
        process.kill()
        process.communicate()
    assert zone.landed() == feed.truth()
    assert zone.storage.list_files(layout.WRITERS) == []
    assert not list(Path(zone.checkpoints).glob("landing/*"))


def test_a_landing_zone_that_is_away_for_a_while(zone: Zone, feed: Feed) -> None:
    feed.create(2).produce(20)
    folder = Path(zone.landing)
    with running(zone, feed) as failures:
        wait_for(lambda: landed(zone) == 20)
        folder.rename(folder.with_name("unplugged"))
        feed.produce(20, start=20)
        wait_for(lambda: said(zone, "landing waits for it and goes on by itself") or bool(failures))
        # Java makes the folders that it writes to.
        if folder.exists():
            subprocess.run(["rm", "-r", folder], check=True)
        folder.with_name("unplugged").rename(folder)
        wait_for(lambda: landed(zone) == 40 or bool(failures))
    assert failures == []
    assert zone.landed() == feed.truth()


@pytest.mark.long
def test_a_store_that_is_away_for_a_while(
    s3_zone: Zone, s3_endpoint: str, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the lease: its heartbeats could not be written, and nobody took over."""
    feed.create(2).produce(20)
    with Relay(int(s3_endpoint.rpartition(":")[2])) as relay:
        s3_zone.environment = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay.port}"}
        process = s3_zone.process(feed.topic, once=False, interval=0.2, refresh=1, takeover_after=3)
        lines: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or []))
        reader.start()
        try:
            wait_for(lambda: landed(s3_zone) == 20)
            relay.cut()
            feed.produce(20, start=20)
            wait_for(
                lambda: (
                    any("does not answer as it should" in line for line in lines)
                    or process.poll() is not None
                )
            )
            relay.mend()
            wait_for(lambda: landed(s3_zone) == 40 or process.poll() is not None)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=100)
        finally:
            process.kill()
            process.wait()
            reader.join()
    assert process.returncode == 0, lines
    assert s3_zone.landed() == feed.truth()


@pytest.mark.long
def test_records_that_kill_java_where_they_are_unpacked(zone: Zone, feed: Feed) -> None:
    """1.2 GB of zeros are some kilobytes to the broker; Java's heap has 1 GB."""
    feed.create(1).produce(10)
    bomb = bytes(990_000)
    options: dict[str, Any] = {"compression.type": "zstd", "linger.ms": 500}
    feed.send(*((b"bomb", bomb) for _ in range(1_200)), **options)
    feed.produce(10, start=10)
    process = zone.process(feed.topic)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    assert "Spark's Java process has ended" in output
    assert zone.landed() == feed.truth()


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, int], list[int]]:
    """Let Spark fail at each batch that holds one record."""
    stage = spark.stage
    sizes: list[int] = []

    def poison(topic: str, partition: int, offset: int) -> list[int]:
        def fail(batch: DataFrame, folder: str) -> int:
            sizes.append(batch.count())
            where = f"topic = '{topic}' and partition = {partition} and offset = {offset}"
            if batch.filter(where).count():
                raise TransientError("a record that Spark cannot take")
            return stage(batch, folder)

        monkeypatch.setattr(spark, "stage", fail)
        return sizes

    return poison


def test_one_record_that_cannot_be_landed_is_named_and_kept(
    zone: Zone,
    feed: Feed,
    command: Callable[..., str],
    poisoned: Callable[[str, int, int], list[int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed.create(3)
    for partition in range(3):
        feed.send(*((b"k", b"%d" % n) for n in range(40)), partition=partition)
    poisoned(feed.topic, 1, 17)
    with pytest.raises(RefusedError) as stopped:
        zone.land(feed.topic, max_offsets=10_000)
    message = str(stopped.value)
    assert f"topic {feed.topic} partition 1: the record at offset 17 cannot be landed" in message
    assert "a record that Spark cannot take" in message
    ends = {e.kafka_partition: e.until_offset for e in zone.ledger()}
    assert ends[1] == 17, "everything before it is landed"
    assert "not at 18" in command("land-record", TABLE, "--partition", "1", "--offset", "18")
    line = f"land-record {TABLE} --partition 1 --offset 17"
    assert f"lakehouse landing {line}" in message
    assert "offset 17 is landed" in command(*line.split())
    zone.land(feed.topic, max_offsets=10_000)
    assert zone.landed() == feed.truth()
    assert not any(
        json.loads(path.read_text()) for path in Path(zone.checkpoints).glob("attempts/*")
    )


def test_times_that_are_no_years(zone: Zone, feed: Feed, command: Callable[..., str]) -> None:
    """Producers that give microseconds, which Spark takes, and nanoseconds, which it does not."""
    feed.create(1, **{"message.timestamp.after.max.ms": str(2**63 - 1)})
    from confluent_kafka import Producer

    producer = Producer(feed.settings)
    micro, nano = 1_700_000_000_000_000, 1_700_000_000_000_000_000
    for number, timestamp in enumerate((1_700_000_000_000, micro, nano, 1_700_000_000_001)):
        producer.produce(feed.topic, b"%d" % number, b"k", 0, timestamp=timestamp)
    assert producer.flush(30) == 0
    with pytest.raises(RefusedError, match="partition 0: the record at offset 2 cannot be landed"):
        zone.land(feed.topic)
    command("land-record", TABLE, "--partition", "0", "--offset", "2")
    zone.land(feed.topic)
    assert zone.landed() == feed.truth()
    assert all(len(path.split("landing_date=")[1].split("/")[0]) == 10 for path in zone.files())
