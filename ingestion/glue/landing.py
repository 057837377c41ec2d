"""The landing job as an AWS Glue 6.0 streaming job: Glue's arguments in, the same code inside.

    --bootstrap_servers  the brokers                              (required)
    --landing            s3a:// URI of the landing zone           (required)
    --checkpoints        s3a:// URI of the checkpoints            (required)
    --source             sqlserver | postgresql                   (required)
    --declarations       file that --extra-files has brought      (required)
    --kafka_auth         iam | none                               (default iam)
    --tables             tables, separated by commas              (default all)
    --all_but            all that the release declares but these  (default none)
    --interval           seconds from one batch to the next       (default 60)
    --max_offsets        the most offsets a batch takes           (default 1000000)
    --environment        dimension of the metrics                 (default none)
    --metrics_namespace  where the lag is reported in CloudWatch  (default not at all)

docs/landing.md says which job settings (wheel, jars, modules) belong to it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion import declarations
from ingestion.errors import TerminalError
from ingestion.landing.job import Job, Landing
from ingestion.landing.lag import Lag
from ingestion.landing.spark import configured
from ingestion.landing.subscriptions import named, subscriptions
from ingestion.metrics import open_metrics
from ingestion.settings import Settings

REQUIRED = ("JOB_NAME", "bootstrap_servers", "landing", "checkpoints", "source", "declarations")
DEFAULTS = {
    "kafka_auth": "iam",
    "tables": "",
    "all_but": "",
    "interval": "60",
    "max_offsets": "1000000",
    "environment": "",
    "metrics_namespace": "",
}


@dataclass(frozen=True)
class Arguments:
    """Glue's arguments, checked."""

    job_name: str
    job: Job


def main(argv: Sequence[str]) -> None:
    """Land until Glue stops the job; an error fails it, with the message in its log."""
    from awsglue.context import GlueContext
    from awsglue.job import Job as GlueJob
    from awsglue.utils import getResolvedOptions
    from pyspark import SparkContext

    given = [name for name in DEFAULTS if any(_names(argument, name) for argument in argv)]
    resolved = getResolvedOptions(list(argv), [*REQUIRED, *given])
    arguments = parse(DEFAULTS | resolved, os.environ)
    glue = GlueContext(SparkContext.getOrCreate())
    job = GlueJob(glue)
    job.init(arguments.job_name, resolved)
    spark = configured(glue.spark_session)
    Landing(arguments.job, lambda: spark, _log, threading.Event()).run()
    job.commit()


def parse(resolved: Mapping[str, str], environment: Mapping[str, str]) -> Arguments:
    """The job that the resolved arguments describe.

    Raises:
        TerminalError: an argument has a value that is not allowed.
    """
    settings = Settings.from_environment(
        {
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": resolved["bootstrap_servers"],
            "LAKEHOUSE_KAFKA_AUTH": resolved["kafka_auth"],
            "LAKEHOUSE_SOURCE": resolved["source"],
            "LAKEHOUSE_LANDING": resolved["landing"],
            "LAKEHOUSE_CHECKPOINTS": resolved["checkpoints"],
            "LAKEHOUSE_ENVIRONMENT": resolved["environment"],
            "LAKEHOUSE_METRICS_NAMESPACE": resolved["metrics_namespace"],
            **{
                name: environment[name]
                for name in ("AWS_REGION", "AWS_DEFAULT_REGION")
                if name in environment
            },
        }
    )
    # A Glue job's declarations do not change while it runs.
    declared = declarations.load(Path(resolved["declarations"]))
    others = named(resolved["all_but"])
    chosen = tuple(
        each
        for each in subscriptions(declared, settings.source, named(resolved["tables"]))
        if each.table not in others
    )
    if not chosen:
        raise TerminalError(
            f"the release declares nothing to land but {resolved['all_but']}, which other jobs land"
        )
    try:
        interval, max_offsets = float(resolved["interval"]), int(resolved["max_offsets"])
    except ValueError as error:
        raise TerminalError(f"--interval and --max_offsets are numbers: {error}") from error
    job = Job(
        settings,
        lambda: chosen,
        once=False,
        interval=interval,
        max_offsets=max_offsets,
        observe=_reporter(settings, resolved["JOB_NAME"]),
    )
    return Arguments(resolved["JOB_NAME"], job)


def _reporter(settings: Settings, job_name: str) -> Callable[[Lag], None] | None:
    """Puts the job's lag into CloudWatch, None without a namespace to put it into."""
    metrics = open_metrics(settings)
    if metrics is None:
        return None

    def report(lag: Lag) -> None:
        values = {"ConsumerLagRecords": lag.records, "LandingLagSeconds": lag.seconds}
        metrics.put(values, Job=job_name)

    return report


def _names(argument: str, name: str) -> bool:
    return argument == f"--{name}" or argument.startswith(f"--{name}=")


def _log(line: str) -> None:
    print(f"landing: {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv)
