"""`make test-aws`: topics on MSK and the Glue jobs, where an environment is named.

The brokers answer inside the VPC only: they are asked by a task. Nothing is changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from lakehouse.delivery import environment, images
from lakehouse.delivery.environment import Environment

pytestmark = pytest.mark.aws


@pytest.fixture(scope="module")
def place() -> Environment:
    """The environment that LAKEHOUSE_ENVIRONMENT_FILE names."""
    if "LAKEHOUSE_ENVIRONMENT_FILE" not in os.environ:
        pytest.skip(
            "LAKEHOUSE_ENVIRONMENT_FILE is not set: there are no topics and jobs to ask about"
            " (docs/runbooks/deployment.md, step 2)"
        )
    return environment.load(_client("s3"), os.environ)


def _client(name: str) -> Any:
    import boto3

    return boto3.client(name)


def test_topics_are_as_declared(place: Environment) -> None:
    check = ["run", "--timeout", "15", "--", "lakehouse", "topics", "check"]
    done = subprocess.run(
        [sys.executable, "-m", "lakehouse.delivery", *check],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": as declared" in done.stdout


def test_each_job_runs_the_release_that_is_in_place(place: Environment) -> None:
    glue, release = _client("glue"), images.current(_client("ssm"), place, "glue")
    assert release, "nothing was deployed yet: workflow deploy-glue"
    for name in place.glue_jobs:
        job = glue.get_job(JobName=name)["Job"]
        assert f"/{release}/" in job["Command"]["ScriptLocation"], name
        [newest, *_] = glue.get_job_runs(JobName=name, MaxResults=1)["JobRuns"]
        said = newest.get("ErrorMessage")
        assert newest["JobRunState"] in ("STARTING", "RUNNING", "WAITING"), f"{name}: {said}"
