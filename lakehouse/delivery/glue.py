"""Publish the Glue artifacts of a release, and give the Glue jobs a release."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.delivery.environment import DeliveryError, Environment
from lakehouse.delivery.images import remember
from lakehouse.delivery.tasks import Clock

STREAMING = "gluestreaming"
RUNNING = ("STARTING", "RUNNING", "STOPPING", "WAITING")
# Folders of files that carry their version in their name and stay from release to release.
SHARED = ("jars",)
# Arguments whose value is a file of the release.
FILE_ARGUMENTS = ("--extra-py-files", "--extra-files", "--additional-python-modules")


@dataclass(frozen=True)
class Aws:
    """The clients that activation needs."""

    glue: Any
    s3: Any
    ssm: Any


def publish(s3: Any, environment: Environment, release: str, directory: Path) -> list[str]:
    """Upload the files of `directory` as the artifacts of `release`; their keys.

    A release is published once: doing it again with the same content changes nothing.

    Raises:
        DeliveryError: `directory` is empty, or the release has been published with other content.
    """
    files = sorted(path for path in directory.iterdir() if path.is_file())
    if not files:
        raise DeliveryError(f"{directory} holds no artifacts: build them first")
    keys = {f"glue/{release}/{path.name}": path for path in files}
    for folder in SHARED:
        shared = sorted((directory / folder).glob("*"))
        keys |= {f"glue/{folder}/{path.name}": path for path in shared}
    for key, path in keys.items():
        put_once(s3, environment.artifacts, key, path)
    return list(keys)


def activate(
    aws: Aws, environment: Environment, release: str, clock: Clock | None = None
) -> list[str]:
    """Point every job at the files of `release`, restart those that stream; the jobs' names.

    Streaming jobs continue where the ledger of the landing zone ends, whichever release wrote it.

    Raises:
        DeliveryError: the release lacks a file that a job needs; no job has been changed then.
    """
    published = _published(aws.s3, environment, release)
    jobs = [aws.glue.get_job(JobName=name)["Job"] for name in environment.glue_jobs]
    updates = {job["Name"]: _update(aws.glue, job, release, published) for job in jobs}
    for name, update in updates.items():
        aws.glue.update_job(JobName=name, JobUpdate=update)
    for job in jobs:
        if job["Command"]["Name"] == STREAMING:
            _restart(aws.glue, job["Name"], clock or Clock())
    remember(aws.ssm, environment, "glue", release)
    return list(updates)


def put_once(s3: Any, bucket: str, key: str, path: Path) -> None:
    """Upload `path`, unless it is there already; DeliveryError if something else is there."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    try:
        s3.put_object(
            Bucket=bucket, Key=key, Body=content, Metadata={"sha256": digest}, IfNoneMatch="*"
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        there = s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("sha256")
        if there != digest:
            raise DeliveryError(
                f"s3://{bucket}/{key} exists with other content: what is published never changes; "
                "give it another release or version"
            ) from error


def _published(s3: Any, environment: Environment, release: str) -> dict[str, str]:
    """The release's files: the S3 URI of each file name."""
    prefix = f"glue/{release}/"
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=environment.artifacts, Prefix=prefix
    )
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key.rpartition("/")[2]: f"s3://{environment.artifacts}/{key}" for key in keys}


def _update(
    glue: Any, job: dict[str, Any], release: str, published: dict[str, str]
) -> dict[str, Any]:
    """The job as it is, with its files taken from the release.

    UpdateJob resets what it is not given, so everything is; without what it does not take (times),
    and without the two old ways to state a capacity, which exclude the number of workers.
    """

    def of_release(uri: str) -> str:
        file = uri.rpartition("/")[2]
        wheels = [name for name in published if name.endswith(".whl")]
        if file.endswith(".whl") and len(wheels) == 1:
            file = wheels[0]
        if file not in published:
            raise DeliveryError(
                f"release {release} has no {file}, which job {job['Name']} needs: deploy that "
                "release first (workflow deploy-glue publishes it)"
            )
        return published[file]

    accepted = glue.meta.service_model.shape_for("JobUpdate").members
    update = {key: value for key, value in job.items() if key in accepted and value is not None}
    update.pop("AllocatedCapacity", None)
    if "WorkerType" in update:
        update.pop("MaxCapacity", None)
    update["Command"] = job["Command"] | {
        "ScriptLocation": of_release(job["Command"]["ScriptLocation"])
    }
    arguments = job.get("DefaultArguments", {})
    files = {name: of_release(arguments[name]) for name in FILE_ARGUMENTS if name in arguments}
    update["DefaultArguments"] = arguments | files | {"--release": release}
    return update


def _restart(glue: Any, name: str, clock: Clock) -> None:
    """Stop the job's runs, wait until they have ended, start one."""
    running = _running(glue, name)
    if running:
        glue.batch_stop_job_run(JobName=name, JobRunIds=running)
        deadline = clock.now() + 600
        while _running(glue, name):
            if clock.now() > deadline:
                raise DeliveryError(
                    f"{name} has not stopped in 10 minutes: stop it in the console, run this again"
                )
            clock.sleep(5)
    glue.start_job_run(JobName=name)


def _running(glue: Any, name: str) -> list[str]:
    runs = glue.get_job_runs(JobName=name)["JobRuns"]
    return [run["Id"] for run in runs if run["JobRunState"] in RUNNING]
