"""A topic of the test's own, a landing zone of its own, and truths that do not come from landing.

The verdict on a landing zone is always `Zone.landed() == Feed.truth()`: files as pyarrow reads
them against records as a plain consumer reads them, as multisets.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ingestion.landing import layout
from ingestion.landing import subscriptions as landing_subscriptions
from ingestion.landing.job import Job, Landing
from ingestion.landing.ledger import Entry
from ingestion.landing.plan import Subscription
from ingestion.landing.storage import Storage, open_storage
from ingestion.settings import Settings
from lakehouse.commands import landing as landing_commands
from playground.services.kafka import KafkaBroker

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLE = "orders"
Record = tuple[str, int, int, str]  # topic, partition, offset, hash of all else
Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]
TIMESTAMP_TYPES = "UCL"  # not available, of the producer (create), of the broker (log append)


def fingerprint(
    key: bytes | None, value: bytes | None, time: tuple[str, int], headers: Headers | None
) -> str:
    """A record's; `time` is its type and microseconds since 1970."""
    return hashlib.sha256(repr((key, value, time, headers or [])).encode()).hexdigest()


def _microseconds(milliseconds: int) -> int:
    """The time as it is landed; `land-record` takes what no 64 bits hold for the last moment."""
    microseconds = milliseconds * 1000
    last = (datetime.max - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    return microseconds if microseconds < 2**63 else last * 1000


@dataclass
class Feed:
    """One topic and what a plain consumer finds in it."""

    broker: KafkaBroker
    topic: str = field(default_factory=lambda: f"test.{uuid.uuid4().hex}")

    @property
    def settings(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0}

    @cached_property
    def admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient(self.settings)

    def create(self, partitions: int = 2, **config: str) -> Feed:
        from confluent_kafka.admin import NewTopic

        topic = NewTopic(self.topic, partitions, 1, config=config)
        self.admin.create_topics([topic])[self.topic].result()
        return self

    def delete(self) -> None:
        self.admin.delete_topics([self.topic])[self.topic].result()

    def add_partitions(self, total: int) -> None:
        from confluent_kafka.admin import NewPartitions

        self.admin.create_partitions([NewPartitions(self.topic, total)])[self.topic].result()

    def delete_before(self, partition: int, offset: int) -> None:
        """What retention does, at a moment of our choosing."""
        from confluent_kafka import TopicPartition

        place = TopicPartition(self.topic, partition, offset)
        self.admin.delete_records([place])[place].result()

    def produce(self, count: int, partition: int = -1, start: int = 0) -> None:
        self.send(
            *((b"k%d" % n, b'{"n": %d}' % n) for n in range(start, start + count)),
            partition=partition,
        )

    def send(
        self,
        *records: tuple[bytes | None, bytes | None],
        partition: int = -1,
        headers: list[tuple[str, str | bytes | None]] | None = None,
        **options: Any,
    ) -> None:
        from confluent_kafka import Producer

        producer = Producer(
            self.settings | {"message.max.bytes": 10_000_000, "linger.ms": 5} | options
        )
        for key, value in records:
            producer.produce(self.topic, value, key, partition, headers=headers)
            producer.poll(0)
        assert producer.flush(30) == 0

    def transaction(self, *values: bytes, abort: bool, partition: int = 0) -> None:
        from confluent_kafka import Producer

        producer = Producer(self.settings | {"transactional.id": self.topic})
        producer.init_transactions(30)
        producer.begin_transaction()
        for value in values:
            producer.produce(self.topic, value, b"k", partition)
        producer.flush(30)
        (producer.abort_transaction if abort else producer.commit_transaction)(30)

    def truth(self) -> Counter[Record]:
        """Every committed record that the broker holds."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

        consumer = Consumer(
            self.settings
            | {
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": 10_000_000,
            }
        )
        numbers = list(consumer.list_topics(self.topic, 30).topics[self.topic].partitions)
        consumer.assign([TopicPartition(self.topic, n, OFFSET_BEGINNING) for n in numbers])
        found: Counter[Record] = Counter()
        ended: set[int] = set()
        while ended != set(numbers):
            for message in consumer.consume(1000, 1):
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                error = message.error()
                if error:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(partition)
                    continue
                kind, milliseconds = message.timestamp()
                record = fingerprint(
                    message.key(),
                    message.value(),
                    (TIMESTAMP_TYPES[kind], _microseconds(milliseconds)),
                    message.headers(),
                )
                found[self.topic, partition, offset, record] += 1
        consumer.close()
        return found


@dataclass
class Zone:
    """A landing zone with its checkpoints, and ways to land into it."""

    landing: str
    checkpoints: str
    broker: KafkaBroker
    start_spark: Callable[[], SparkSession]
    environment: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def storage(self) -> Storage:
        return open_storage(self.landing)

    def job(self, *topics: str, **options: Any) -> Job:
        settings = Settings.from_environment(
            {
                "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
                "LAKEHOUSE_LANDING": self.landing,
                "LAKEHOUSE_CHECKPOINTS": self.checkpoints,
            }
        )
        subscriptions = [
            Subscription(TABLE if n == 0 else f"{TABLE}_{n}", topic)
            for n, topic in enumerate(topics)
        ]
        return Job(settings, lambda: subscriptions, **({"once": True} | options))

    def land(self, *topics: str, **options: Any) -> int:
        """Land in this process, on the session's Spark; returns the number of records."""
        run = Landing(
            self.job(*topics, **options), self.start_spark, self.said.append, threading.Event()
        )
        run.run()
        return run.landed_rows

    def process(
        self,
        *topics: str,
        crash_at: str = "",
        in_a_storm: bool = False,
        inside: Sequence[str] = (),
        **options: Any,
    ) -> subprocess.Popen[str]:
        """Land in a process of its own, which may be killed; `inside` is a command to start it."""
        arguments = json.dumps(
            {
                "servers": self.broker.bootstrap_servers,
                "landing": self.landing,
                "checkpoints": self.checkpoints,
                "subscriptions": [
                    (TABLE if n == 0 else f"{TABLE}_{n}", topic) for n, topic in enumerate(topics)
                ],
                "in_a_storm": in_a_storm,
                "options": {"once": True} | options,
            }
        )
        crash = {"LAKEHOUSE_CRASH_POINT": crash_at} if crash_at else {}
        return subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.integration.landing.run_landing", arguments],
            # Short runs: what the second compiler would gain is never earned back.
            env=os.environ
            | self.environment
            | crash
            | {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"},
            stdin=subprocess.PIPE if in_a_storm else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def landed(self) -> Counter[Record]:
        """Every record in the visible files of all tables, once for each time it is there."""
        found: Counter[Record] = Counter()
        for path in self.files():
            table = pq.read_table(io.BytesIO(self.storage.read(path)))
            # Times as numbers: not each is a moment to Python.
            times = table["kafka_timestamp"].cast("int64").to_pylist()
            for row, at in zip(table.drop("kafka_timestamp").to_pylist(), times, strict=True):
                headers = [(each["key"], each["value"]) for each in row["kafka_headers"] or []]
                found[
                    row["kafka_topic"],
                    row["kafka_partition"],
                    row["kafka_offset"],
                    fingerprint(
                        row["kafka_key"],
                        row["kafka_value"],
                        (row["kafka_timestamp_type"], at),
                        headers,
                    ),
                ] += 1
        return found

    def rows(self) -> list[dict[str, Any]]:
        tables = [pq.read_table(io.BytesIO(self.storage.read(path))) for path in self.files()]
        return [row for table in tables for row in table.to_pylist()]

    def files(self, table: str = "") -> list[str]:
        every = self.storage.list_files(table or TABLE)
        if not table:
            every += self.storage.list_files(f"{TABLE}_1")
        return [path for path in every if layout.parse(path)]

    def ledger(self) -> list[Entry]:
        return [
            Entry.from_json(line)
            for path in self.storage.list_files(layout.LEDGER)
            for line in self.storage.read(path).decode().splitlines()
        ]


def assert_finished(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="session")
def start_spark() -> Iterator[Callable[[], SparkSession]]:
    """One Spark for all tests that do not kill it."""
    from lakehouse.local_spark import local_session

    sessions: list[SparkSession] = []

    def start() -> SparkSession:
        if not sessions:
            sessions.append(local_session(Settings.from_environment({})))
        return sessions[0]

    yield start
    for session in sessions:
        session.stop()


@pytest.fixture
def feed(kafka: KafkaBroker) -> Iterator[Feed]:
    feed = Feed(kafka)
    yield feed
    if feed.topic in topics_of(feed):
        feed.delete()


def topics_of(feed: Feed) -> Sequence[str]:
    return list(feed.admin.list_topics(timeout=30).topics)


@pytest.fixture
def zone(tmp_path: Path, kafka: KafkaBroker, start_spark: Callable[[], SparkSession]) -> Zone:
    return Zone(str(tmp_path / "landing"), str(tmp_path / "checkpoints"), kafka, start_spark)


@pytest.fixture
def command(zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `lakehouse landing` on the zone and the feed; returns what it prints or complains."""
    monkeypatch.setenv("LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS", zone.broker.bootstrap_servers)
    monkeypatch.setenv("LAKEHOUSE_LANDING", zone.landing)
    monkeypatch.setenv("LAKEHOUSE_CHECKPOINTS", zone.checkpoints)
    monkeypatch.setattr(
        landing_subscriptions,
        "subscriptions",
        lambda *_: (Subscription(TABLE, feed.topic),),
    )

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(landing_commands.app, arguments)
        return result.output + str(result.exception or "")

    return run


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_zone(
    s3_endpoint: str,
    kafka: KafkaBroker,
    start_spark: Callable[[], SparkSession],
    monkeypatch: pytest.MonkeyPatch,
) -> Zone:
    """A landing zone on S3, for runs in processes of their own."""
    import boto3

    environment = {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"lake-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return Zone(f"s3a://{bucket}/landing", f"s3a://{bucket}/checkpoints", kafka, start_spark)


@pytest.fixture(params=["zone", "s3_zone"], ids=["disk", "s3a"])
def any_zone(request: pytest.FixtureRequest) -> Zone:
    """A landing zone on disk, and one on S3, for runs in processes of their own."""
    chosen: Zone = request.getfixturevalue(request.param)
    return chosen


def java_of(pid: int) -> int:
    """The number of the Java process that the process `pid` has started."""
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if "java" in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    raise AssertionError("no Java")


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
