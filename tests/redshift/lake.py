"""A topic's records on both paths: on a real broker, and landed when a test says so.

What the landing job does with Spark is done here with pyarrow, through the job's own layout and
ledger, so that a test decides how far landing has come while the streaming views are ahead of it.
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from ingestion.declarations import Declarations
from ingestion.landing import layout
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, Ledger
from ingestion.landing.records import arrow_schema, empty_file
from ingestion.landing.storage import open_storage
from ingestion.settings import ConnectorName
from redshift_standin.books import watermarks
from tests.kit.landing import NOTIFICATIONS

# The folder that Debezium's heartbeats are landed in.
HEARTBEAT = "debezium_heartbeat"
LANDED_AT = datetime(2024, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Message:
    """A record on its way to a topic."""

    table: str
    key: bytes | None
    value: bytes | None
    partition: int = 0
    timestamp_ms: int = 1_714_500_000_000


@dataclass
class Lake:
    """Topics of `declarations` on the broker at `servers`, and the landing zone in `root`."""

    root: Path
    servers: str
    declarations: Declarations
    connector: ConnectorName
    partitions: int = 2
    _incarnations: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: 1))

    def __post_init__(self) -> None:
        self._storage = open_storage(str(self.root))
        self._admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        self._storage.put(layout.IDENTITY, b'{"id": "lake"}')
        for table in (*(table.name for table in self.declarations.tables), NOTIFICATIONS):
            self._storage.put(layout.schema_file(table), empty_file())
        self.create(table.name for table in self.declarations.tables)

    def topic(self, table: str) -> str:
        """The topic of the declared table `table`, or of Debezium's heartbeats."""
        if table == HEARTBEAT:
            [part] = self.declarations.parts
            return part.connectors[self.connector].heartbeat_topic
        return self.declarations.table(table).topics[self.connector]

    def beat(self) -> None:
        """What the connector does every ten seconds: a heartbeat, now."""
        self.produce([Message(HEARTBEAT, b"{}", b"{}", timestamp_ms=int(time.time() * 1000))])

    def create(self, tables: Iterable[str]) -> None:
        """Make the topics of `tables`, empty."""
        # the events are of 2024: a retention by time would delete them
        topics = [
            NewTopic(self.topic(table), self.partitions, 1, config={"retention.ms": "-1"})
            for table in tables
        ]
        for future in self._admin.create_topics(topics).values():
            future.result(20)

    def recreate(self, table: str) -> None:
        """Delete the topic and make it again: its offsets start at 0, its id is another."""
        for future in self._admin.delete_topics([self.topic(table)]).values():
            future.result(20)
        self._incarnations[table] += 1
        while True:
            try:
                self.create([table])
            except Exception as error:
                if "TOPIC_ALREADY_EXISTS" not in str(error):
                    raise
            else:
                return

    def produce(self, messages: Iterable[Message]) -> None:
        """Append `messages` to their topics, in order."""
        producer = Producer(
            {
                "bootstrap.servers": self.servers,
                "message.max.bytes": 10_000_000,
                "log_level": 0,
            }
        )
        for message in messages:
            producer.produce(
                self.topic(message.table),
                key=message.key,
                value=message.value,
                partition=message.partition,
                timestamp=message.timestamp_ms,
            )
        assert producer.flush(30) == 0

    def land(self, *tables: str, without: Iterable[tuple[str, int]] = ()) -> None:
        """Land what the ledger does not name yet; partitions in `without` stay behind."""
        ledger = Ledger(self._storage)
        kept = set(without)
        entries = []
        for table in tables or [table.name for table in self.declarations.tables]:
            for number in range(self.partitions):
                if (table, number) not in kept:
                    entries += self._land_partition(ledger, table, number)
        if entries:
            ledger.append(entries)

    def _land_partition(self, ledger: Ledger, table: str, number: int) -> list[Entry]:
        incarnation = self._incarnations[table]
        partition = Partition(table, incarnation, number)
        known = ledger.progress.positions.get(partition)
        start = known.until_offset if known else 0
        rows, until = self._read(table, number, start)
        if until == start:
            return []
        file = None
        if rows:
            data = DataFile(partition, LANDED_AT.date(), start, until)
            content = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows, arrow_schema()), content)
            self._storage.put(data.path, content.getvalue())
            file = data.path
        return [
            Entry(
                table=table,
                topic=self.topic(table),
                topic_id=self._topic_id(table),
                incarnation=incarnation,
                kafka_partition=number,
                from_offset=start,
                until_offset=until,
                rows=len(rows),
                kind="landed",
                committed_at=LANDED_AT.isoformat(),
                file=file,
            )
        ]

    def _topic_id(self, table: str) -> str:
        [described] = self._admin.describe_topics(TopicCollection([self.topic(table)])).values()
        return str(described.result(20).topic_id)

    def _read(self, table: str, number: int, start: int) -> tuple[list[dict[str, object]], int]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "lake",
                "log_level": 0,
                "enable.auto.commit": False,
                "fetch.message.max.bytes": 10_000_000,
            }
        )
        try:
            place = TopicPartition(self.topic(table), number, start)
            low, high = watermarks(consumer, place)
            consumer.assign([TopicPartition(self.topic(table), number, max(start, low))])
            rows: list[dict[str, object]] = []
            while not rows or rows[-1]["kafka_offset"] != high - 1:
                if high <= max(start, low):
                    break
                message = consumer.poll(20)
                assert message is not None and message.error() is None
                rows.append(
                    {
                        "kafka_topic": message.topic(),
                        "kafka_partition": number,
                        "kafka_offset": message.offset(),
                        "kafka_timestamp": datetime.fromtimestamp(
                            message.timestamp()[1] / 1000, UTC
                        ).replace(tzinfo=None),
                        "kafka_timestamp_type": "C",
                        "kafka_key": message.key(),
                        "kafka_value": message.value(),
                        "kafka_headers": None,
                    }
                )
            return rows, max(high, start)
        finally:
            consumer.close()
