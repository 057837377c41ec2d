"""Spark on this machine, for landing: its Java, its jars. On Glue the job brings them."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

from ingestion.errors import TerminalError
from ingestion.landing.spark import configured
from ingestion.settings import Settings
from lakehouse.console import ROOT

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What `make jars` has copied; on Glue the jars come with the job's arguments instead.
JARS = ROOT / ".jars/spark"

# What `make setup` has written for a faster start; Java does without where it is missing or old.
CLASS_ARCHIVE = JARS.parent / "landing.jsa"

LOCAL_JARS = (
    "hadoop-bare-naked-local-fs-*",
    "spark-sql-kafka-*",
    "spark-token-provider-kafka-*",
    "kafka-clients-*",
    "commons-pool2-*",
)

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
