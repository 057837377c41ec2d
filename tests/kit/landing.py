"""Landing files without Kafka: records written in the landing zone's layout, with its ledger.

`LandingZone.land` is what one batch of the landing job does: one Parquet file for each topic
partition with new records, its path being its range, and one ledger entry. Offsets follow on from
those already landed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.declarations import Declarations, Table
from ingestion.settings import ConnectorName
from tests.kit.reference import Record

SCHEMA = pa.schema(
    [
        ("kafka_topic", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("kafka_timestamp", pa.timestamp("us")),
        ("kafka_timestamp_type", pa.string()),
        ("kafka_key", pa.binary()),
        ("kafka_value", pa.binary()),
        (
            "kafka_headers",
            pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())])),
        ),
    ]
)
NOTIFICATIONS = "debezium_notification"
"""The folder of what the connector says of its snapshots."""
_TOPIC_IDS = UUID("6f7aa7a2-5d7c-4f52-9df8-0c1f4a1e2d11")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Delivery:
    """A record on its way to Kafka: everything but the offset, which the broker gives it."""

    key: bytes | None
    value: bytes | None
    partition: int
    timestamp_ms: int
    incarnation: int = 0


@dataclass
class LandingZone:
    """A landing folder and what has been landed in it so far."""

    root: Path
    declarations: Declarations
    connector: ConnectorName
    incarnations_before: int = 0
    """Those of other topics of the same tables."""
    _next_offset: dict[tuple[str, int, int], int] = field(
        default_factory=lambda: defaultdict(int), init=False
    )

    def __post_init__(self) -> None:
        for table in (*(table.name for table in self.declarations.tables), NOTIFICATIONS):
            folder = self.root / table / "incarnation=0/landing_date=1970-01-01"
            self._write(folder / "topic_partition=0/_schema.parquet", [])

    def land(self, table: Table, deliveries: Sequence[Delivery]) -> list[Record]:
        """Land `deliveries` as one batch and return them as records, with their offsets."""
        return self._land(table.name, table.topics[self.connector], deliveries)

    def land_notifications(self, deliveries: Sequence[Delivery]) -> list[Record]:
        """Land what the connector says of its snapshots."""
        topic = self.declarations.connectors[self.connector].notification_topic
        return self._land(NOTIFICATIONS, topic, deliveries)

    def _land(self, table: str, topic: str, deliveries: Sequence[Delivery]) -> list[Record]:
        by_partition: dict[tuple[int, int], list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            incarnation = self.incarnations_before + delivery.incarnation
            numbered = replace(delivery, incarnation=incarnation)
            by_partition[incarnation, delivery.partition].append(numbered)
        landed: list[Record] = []
        entries = []
        for (incarnation, partition), batch in sorted(by_partition.items()):
            first = self._next_offset[table, incarnation, partition]
            records = [
                _record(delivery, topic, offset)
                for offset, delivery in enumerate(batch, start=first)
            ]
            until = first + len(records)
            path = (
                Path(table)
                / f"incarnation={incarnation}"
                / f"landing_date={_landing_date(records[0])}"
                / f"topic_partition={partition}"
                / f"{first:020d}-{until:020d}.parquet"
            )
            self._write(self.root / path, records)
            self._next_offset[table, incarnation, partition] = until
            entries.append(self._ledger_entry(table, records, until, path))
            landed += records
        self._write_ledger(entries)
        return landed

    def _ledger_entry(
        self, table: str, records: Sequence[Record], until: int, path: Path
    ) -> dict[str, object]:
        first = records[0]
        return {
            "table": table,
            "topic": first.topic,
            "topic_id": str(uuid5(_TOPIC_IDS, f"{first.topic}#{first.incarnation}")),
            "incarnation": first.incarnation,
            "kafka_partition": first.partition,
            "from_offset": first.offset,
            "until_offset": until,
            "rows": len(records),
            "kind": "landed",
            "committed_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "file": path.as_posix(),
        }

    def _write_ledger(self, entries: Sequence[dict[str, object]]) -> None:
        if not entries:
            return
        folder = self.root / "_ledger"
        folder.mkdir(parents=True, exist_ok=True)
        ledger = folder / f"{len(list(folder.glob('*.jsonl'))) + 1:020d}.jsonl"
        written = folder / "written"
        written.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
        # whole or not at all: somebody may be looking
        written.rename(ledger)

    def _write(self, path: Path, records: Iterable[Record]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, object]] = [
            {
                "kafka_topic": record.topic,
                "kafka_partition": record.partition,
                "kafka_offset": record.offset,
                "kafka_timestamp": record.timestamp,
                "kafka_timestamp_type": "L",
                "kafka_key": record.key,
                "kafka_value": record.value,
                "kafka_headers": [],
            }
            for record in records
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


def _record(delivery: Delivery, topic: str, offset: int) -> Record:
    return Record(
        topic=topic,
        incarnation=delivery.incarnation,
        partition=delivery.partition,
        offset=offset,
        timestamp=_EPOCH + timedelta(milliseconds=delivery.timestamp_ms),
        key=delivery.key,
        value=delivery.value,
    )


def _landing_date(record: Record) -> str:
    return record.timestamp.date().isoformat()
