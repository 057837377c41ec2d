"""One record landed without Spark: the way past one that Spark cannot land."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ingestion.landing import commit
from ingestion.landing.attempts import FOLDER, LAST_ATTEMPT, read_tried
from ingestion.landing.ledger import Ledger, fold
from ingestion.landing.plan import Start
from ingestion.landing.records import StagedFile, arrow_schema
from ingestion.landing.storage import Storage

if TYPE_CHECKING:
    from confluent_kafka import Message

_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = datetime.min, datetime.max
# confluent-kafka's numbers of the types, as Spark's are told.
_TYPES = {1: "C", 2: "L"}


def was_tried_in_vain(checkpoints: Storage, start: Start) -> bool:
    """Whether landing, of whatever tables, has failed where `start` is until nothing was left."""
    place = (start.topic, start.partition.number)
    for file in checkpoints.list_files(FOLDER):
        offset, times = read_tried(checkpoints, file).get(place, (-1, 0))
        if offset == start.from_offset and times >= LAST_ATTEMPT:
            return True
    return False


def land_message(storage: Storage, ledger: Ledger, start: Start, message: Message) -> None:
    """Make `message`, with which the partition of `start` goes on, visible, and commit it.

    Raises:
        FencedError: a job has landed it meanwhile.
        TerminalError: the ledger could not go on with it; nothing is visible.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number, offset = start.partition.number, start.from_offset
    kind, milliseconds = message.timestamp()
    lowest, highest = ((t - _EPOCH) // timedelta(milliseconds=1) for t in (_FIRST, _LAST))
    moment = _EPOCH + timedelta(milliseconds=min(max(milliseconds, lowest), highest))
    headers: Any = message.headers()
    row = {
        "kafka_topic": start.topic,
        "kafka_partition": number,
        "kafka_offset": offset,
        "kafka_timestamp": moment,
        "kafka_timestamp_type": _TYPES.get(kind, "U"),
        "kafka_key": message.key(),
        "kafka_value": message.value(),
        "kafka_headers": [{"key": k, "value": v} for k, v in headers] if headers else None,
    }
    content = io.BytesIO()
    table = pa.Table.from_pylist([row], arrow_schema())
    pq.write_table(table, content, version="1.0", compression="zstd")
    now = datetime.now(UTC)
    place, until = (start.topic, number), offset + 1
    staged = StagedFile("", start.topic, number, 1, offset, offset, moment.date())
    files = commit.plan_files({place: start}, {place: until}, {place: staged}, now.date())
    committed = commit.entries(
        {place: start}, {place: until}, files, now.isoformat(timespec="milliseconds")
    )
    fold(committed, ledger.progress)
    storage.put(files[place].target.path, content.getvalue())
    ledger.append(committed)
