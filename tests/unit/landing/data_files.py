"""Data files of a storage, as landing leaves them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.landing.layout import DataFile
from ingestion.landing.records import arrow_schema
from ingestion.landing.storage import Storage


def write(storage: Storage, folder: Path, target: DataFile, offsets: list[int]) -> None:
    rows = [
        {
            "kafka_topic": "retail.public.orders",
            "kafka_partition": 0,
            "kafka_offset": offset,
            "kafka_timestamp": datetime(2026, 3, 1, 12),
            "kafka_value": b"%d" % offset,
            "kafka_headers": [{"key": "h", "value": b"\xff"}],
        }
        for offset in offsets
    ]
    path = folder / "source.parquet"
    pq.write_table(pa.Table.from_pylist(rows, arrow_schema()), path)
    storage.put(target.path, path.read_bytes())


def damage(storage: Storage, file: DataFile) -> None:
    """A file whose end still says that it is Parquet."""
    content = storage.read(file.path)
    storage.put(file.path, content[:-60] + b"\xff" * 52 + content[-8:])
