"""The shape of a landed record, for Spark and for Parquet, and what a staged file's footer tells.

Types and names follow Redshift's streaming views, so that both paths read alike; docs/landing.md
gives the Parquet types and what each engine makes of them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ingestion.errors import TerminalError
from ingestion.landing.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData
    from pyspark.sql import DataFrame

# A footer of one to a few row groups of eight columns has 2-10 kB.
_FOOTER_GUESS = 64 * 1024
_DAY_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class StagedFile:
    """A whole Parquet file that nobody sees yet: all records of one partition of one batch."""

    path: str
    topic: str
    partition: int
    rows: int
    first_offset: int
    last_offset: int
    first_date: date


def landed(records: DataFrame) -> DataFrame:
    """Kafka's records as they are landed, nothing parsed. The session's time zone must be UTC."""
    from pyspark.sql import functions as f

    kind = f.col("timestampType")
    return records.select(
        f.col("topic").alias("kafka_topic"),
        f.col("partition").alias("kafka_partition"),
        f.col("offset").alias("kafka_offset"),
        f.col("timestamp").cast("timestamp_ntz").alias("kafka_timestamp"),
        f.when(kind == 0, "C")
        .when(kind == 1, "L")
        .when(kind == -1, "U")
        .alias("kafka_timestamp_type"),
        f.col("key").alias("kafka_key"),
        f.col("value").alias("kafka_value"),
        f.col("headers").alias("kafka_headers"),
    )


def arrow_schema() -> pa.Schema:
    """The same columns and types for pyarrow."""
    import pyarrow as pa

    header = pa.struct([("key", pa.string()), ("value", pa.binary())])
    return pa.schema(
        [
            ("kafka_topic", pa.string()),
            ("kafka_partition", pa.int32()),
            ("kafka_offset", pa.int64()),
            ("kafka_timestamp", pa.timestamp("us")),
            ("kafka_timestamp_type", pa.string()),
            ("kafka_key", pa.binary()),
            ("kafka_value", pa.binary()),
            ("kafka_headers", pa.list_(pa.field("element", header))),
        ]
    )


def empty_file() -> bytes:
    """A Parquet file of that schema without rows."""
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(arrow_schema().empty_table(), content, version="1.0", compression="zstd")
    return content.getvalue()


def read_footer(storage: Storage, path: str) -> FileMetaData:
    """The Parquet footer of `path`; only the end of the file is read.

    Raises:
        TerminalError: the file is no whole Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    end = storage.tail(path, _FOOTER_GUESS)
    length = int.from_bytes(end[-8:-4], "little")
    if len(end) < length + 8 and end[-4:] == b"PAR1":
        end = storage.tail(path, length + 8)
    try:
        return pq.read_metadata(io.BytesIO(end))
    except (pa.ArrowInvalid, OSError) as error:
        raise TerminalError(f"{storage.uri}/{path} is no whole Parquet file: {error}") from error


def describe(storage: Storage, path: str) -> StagedFile | None:
    """What the staged file holds, by its footer's statistics; None when it has no rows.

    Raises:
        TerminalError: it mixes partitions, which one task of Spark's Kafka source never does.
    """
    footer = read_footer(storage, path)
    if footer.num_rows == 0:
        return None
    columns = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]

    def statistics(name: str) -> tuple[Any, Any]:
        found = [group.column(columns[name]).statistics for group in groups]
        return min(each.min for each in found), max(each.max for each in found)

    (topic, other_topic), (partition, other_partition) = (
        statistics("kafka_topic"),
        statistics("kafka_partition"),
    )
    if (topic, partition) != (other_topic, other_partition):
        raise TerminalError(f"{storage.uri}/{path} holds records of more than one partition")
    first_offset, last_offset = statistics("kafka_offset")
    # A producer may give any number: as a number, since not each is a moment to Python.
    first_at = groups[0].column(columns["kafka_timestamp"]).statistics.min_raw
    first_day = date(1970, 1, 1).toordinal() + first_at // _DAY_MICROSECONDS
    return StagedFile(
        path=path,
        topic=topic,
        partition=partition,
        rows=footer.num_rows,
        first_offset=first_offset,
        last_offset=last_offset,
        first_date=date.fromordinal(min(max(1, first_day), date.max.toordinal())),
    )
