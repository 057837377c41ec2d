"""The Spark session and the streaming query of landing."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import ingestion
from ingestion.errors import TerminalError, TransientError
from ingestion.kafka.auth import java_security
from ingestion.landing.attempts import Size
from ingestion.landing.plan import Start
from ingestion.landing.records import landed
from ingestion.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

# What `make jars` has copied; on Glue the jars come with the job's arguments instead.
JARS = Path(ingestion.__file__).parent.parent / ".jars/spark"

# What `make setup` has written for a faster start; Java does without where it is missing or old.
CLASS_ARCHIVE = JARS.parent / "landing.jsa"

LOCAL_JARS = (
    "hadoop-bare-naked-local-fs-*",
    "spark-sql-kafka-*",
    "spark-token-provider-kafka-*",
    "kafka-clients-*",
    "commons-pool2-*",
)

# Spark says it with the end of the write, a moment before or after it.
COUNTED_SECONDS = 60

SESSION_OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.minBatchesToRetain": "10",
    "spark.sql.streaming.numRecentProgressUpdates": "5",
}
JAVA_OPTIONS = (
    "-XX:+UseParallelGC",
    "-XX:-UsePerfData",
    # Half a Java helps nobody; landing starts another, and takes less at once.
    "-XX:+ExitOnOutOfMemoryError",
    # Spark's classes need so much; from the usual 21 MB on each step up to it is a full collection.
    "-XX:MetaspaceSize=256m",
    # Compile for speed what runs ten times as often as by default: otherwise much of what only runs
    # while Spark starts is, and that takes longer than it gains.
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=100000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
LOCAL_OPTIONS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # What Spark remembers for a page that nobody opens.
    "spark.ui.retainedJobs": "10",
    "spark.ui.retainedStages": "10",
    "spark.ui.retainedTasks": "100",
    "spark.sql.ui.retainedExecutions": "10",
    "spark.log.level": "OFF",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.catalogImplementation": "in-memory",
    # The usual one starts three processes for each file that it makes (chmod).
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
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


def local_session(settings: Settings) -> SparkSession:
    """A session on this machine, with the jars of `make jars`; it starts in a few seconds.

    Raises:
        TerminalError: Java does not start; the message is what it says.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    # py4j writes a traceback for each call to a Java that has ended; we say it in a sentence.
    logging.getLogger().addHandler(logging.NullHandler())
    _forget_java_that_has_ended()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # a container's own name may not resolve
    conf = SparkConf().setMaster("local[2]").setAppName("lakehouse landing")
    options = LOCAL_OPTIONS | s3a_options()
    options["spark.driver.memory"] = settings.spark_memory
    options["spark.driver.extraClassPath"] = class_path(settings)
    options["spark.driver.extraJavaOptions"] = " ".join([*JAVA_OPTIONS, *_archive_options()])
    conf.setAll(list(options.items()))
    # At each start Java and Spark write some lines of no use to anyone, before Spark's level of
    # logging holds. They matter when it does not start.
    with tempfile.TemporaryFile() as said:
        try:
            gateway = launch_gateway(conf, {"stderr": said})  # type: ignore[no-untyped-call]
        except PySparkRuntimeError as error:
            said.seek(0)
            why = said.read().decode(errors="replace").strip()[-2000:]
            raise TerminalError(f"Spark's Java process did not start: {why}") from error
    SparkContext(conf=conf, gateway=gateway)
    return configured(SparkSession.builder.getOrCreate())


def _forget_java_that_has_ended() -> None:
    """Let pyspark start another one: it would keep the first for as long as this process lives."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway = SparkContext._gateway
    if gateway is not None:
        with suppress(Exception):
            gateway.shutdown()
        gateway.proc.kill()
        gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None


def _archive_options() -> list[str]:
    if not CLASS_ARCHIVE.exists():
        return []
    # Java says nothing where it does without: it was made by another Java, or for other jars.
    return [f'"-XX:SharedArchiveFile={CLASS_ARCHIVE}"', "-Xlog:cds*=off"]


def configured(spark: SparkSession) -> SparkSession:
    """`spark` with the options that landing relies on, wherever it runs."""
    for name, value in SESSION_OPTIONS.items():
        spark.conf.set(name, value)
    return spark


def class_path(settings: Settings) -> str:
    """The jars that `settings` need: every further one is searched for each class at start-up.

    Raises:
        TerminalError: one of them is not there.
    """
    missing = [name for name in LOCAL_JARS if not any(JARS.glob(f"{name}.jar"))]
    if missing:
        raise TerminalError(f"{JARS} has no {', '.join(missing)}: run `make jars`")
    on_aws = settings.kafka_auth == "iam" or "://" in settings.landing + settings.checkpoints
    names = ("*",) if on_aws else LOCAL_JARS
    return os.pathsep.join(sorted(str(jar) for name in names for jar in JARS.glob(f"{name}.jar")))


def s3a_options() -> dict[str, str]:
    """s3a's options where the environment names an endpoint of its own (AWS_ENDPOINT_URL)."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL"))
    if not endpoint:
        return {}
    return {
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": os.environ.get("AWS_REGION", "us-east-1"),
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(endpoint.startswith("https")).lower(),
    }


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
