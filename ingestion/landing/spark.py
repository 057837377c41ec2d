"""The streaming query of landing, and what it asks of a Spark session."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ingestion.errors import TransientError
from ingestion.kafka.auth import java_security
from ingestion.landing.attempts import Size
from ingestion.landing.plan import Start
from ingestion.landing.records import landed
from ingestion.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

# Spark says it with the end of the write, a moment before or after it.
COUNTED_SECONDS = 60

SESSION_OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.minBatchesToRetain": "10",
    "spark.sql.streaming.numRecentProgressUpdates": "5",
}
WRITE_OPTIONS = {
    # A task's file moves once, into the batch's staging folder, which nobody reads but us: what
    # a task that ran twice leaves there is sorted out before anything becomes visible.
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    # Spark's last word: without it the folder is not what Spark wrote to, or is not whole.
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "true",
    "compression": "zstd",
    "parquet.compression.codec.zstd.level": "1",
    # Values repeat too rarely for a dictionary, or (the topic) always: zstd sees to that cheaper.
    "parquet.enable.dictionary": "false",
    # Nobody searches by a smallest or largest value of these.
    "parquet.column.statistics.enabled#kafka_key": "false",
    "parquet.column.statistics.enabled#kafka_value": "false",
    "parquet.size.statistics.enabled": "false",
    # A row group is held in memory until it is full: a small one, looked at often enough for
    # records of several megabytes.
    "parquet.block.size": str(32 * 1024 * 1024),
    "parquet.page.size.row.check.min": "10",
    "parquet.block.size.row.check.min": "10",
}


def configured(spark: SparkSession) -> SparkSession:
    """`spark` with the options that landing relies on, wherever it runs."""
    for name, value in SESSION_OPTIONS.items():
        spark.conf.set(name, value)
    return spark


def read_stream(
    spark: SparkSession, settings: Settings, starts: Iterable[Start], size: Size
) -> DataFrame:
    """The stream of exactly the partitions in `starts`, each from its offset on."""
    return spark.readStream.format("kafka").options(**read_options(settings, starts, size)).load()


def read_options(settings: Settings, starts: Iterable[Start], size: Size) -> dict[str, str]:
    """The options of Spark's Kafka source for it."""
    assigned: dict[str, list[int]] = {}
    offsets: dict[str, dict[str, int]] = {}
    for start in starts:
        assigned.setdefault(start.topic, []).append(start.partition.number)
        offsets.setdefault(start.topic, {})[str(start.partition.number)] = start.from_offset
    return {
        "kafka.bootstrap.servers": settings.kafka_bootstrap_servers,
        "assign": json.dumps(assigned),
        "startingOffsets": json.dumps(offsets),
        "maxOffsetsPerTrigger": str(size.max_offsets),
        "includeHeaders": "true",
        "failOnDataLoss": "true",
        "groupIdPrefix": "lakehouse-landing",
        "kafka.isolation.level": "read_committed",
        # Spark asks for a partition's ends at each poll, so it should bring many records; but what
        # they hold lives on the heap, unpacked, and copying it is the collector's work.
        "kafka.max.poll.records": str(size.poll_records),
        "kafka.max.partition.fetch.bytes": str(4 * 1024 * 1024),
        # Spark polls for records that are there. With the usual half second the consumer's next
        # fetch would wait at the broker for new ones, and that question behind it: a broker answers
        # a connection's requests one after the other.
        "kafka.fetch.max.wait.ms": "10",
        "kafka.request.timeout.ms": "15000",
        "kafka.default.api.timeout.ms": "20000",
        "kafkaConsumer.pollTimeoutMs": "30000",
        **{f"kafka.{name}": value for name, value in java_security(settings.kafka_auth).items()},
    }


def start_query(
    stream: DataFrame,
    on_batch: Callable[[DataFrame, int], None],
    checkpoint: str,
    interval: float | None,
) -> StreamingQuery:
    """Run `on_batch` for each batch: every `interval` seconds, or (None) all there is and stop."""
    writer = stream.writeStream.foreachBatch(on_batch).option("checkpointLocation", checkpoint)
    if interval is None:
        return writer.trigger(availableNow=True).start()
    return writer.trigger(processingTime=f"{interval} seconds").start()


def stage(batch: DataFrame, folder: str) -> int:
    """Write the batch to `folder`; returns how many records Spark has counted as it wrote them.

    Each partition of the topic is one task and so one file. A task that is repeated is counted
    once: nothing is shuffled, so its stage is the write's own, of which Spark adds up the first
    success of each task (stages before a shuffle are those that it counts again).
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as f

    written = Observation()
    observed = landed(batch).observe(written, f.count(f.lit(1)).alias("records"))
    observed.write.options(**WRITE_OPTIONS).parquet(folder)
    return counted(written, folder)


def counted(written: Observation, folder: str) -> int:
    """What Spark has counted; it may wait for ever for a listener that has been dropped.

    Raises:
        TransientError: Spark does not say.
    """
    told: Future[int] = Future()

    def ask() -> None:
        try:
            told.set_result(int(written.get["records"]))
        except Exception as error:
            told.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return told.result(COUNTED_SECONDS)
    except TimeoutError:
        raise TransientError(
            f"Spark has not said within {COUNTED_SECONDS} s how many records it wrote to {folder}: "
            "nothing of them is committed, the batch is read again"
        ) from None
