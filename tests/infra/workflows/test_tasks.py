"""Commands as tasks inside the VPC: log, exit code, and everything that can go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path

import pytest

from lakehouse.commands.verify import verify
from lakehouse.delivery import __main__ as delivery
from lakehouse.delivery import environment
from lakehouse.delivery.environment import DeliveryError
from lakehouse.delivery.tasks import Clock, TaskRunner, inert_workflow_commands
from tests.infra.workflows.cloud import CREDENTIALS, Account, image_folder
from tests.infra.workflows.runner import load

ROOT = Path(__file__).resolve().parents[3]
FAMILY = "retail-lakehouse-dev-operations"


def runner_of(account: Account, lines: list[str], clock: Clock | None = None) -> TaskRunner:
    place = environment.load(account.client("s3"), account.variables)
    return TaskRunner(
        account.client("ecs"),
        account.client("logs"),
        place,
        lines.append,
        clock or Clock(),
        poll_seconds=0.05,
    )


@pytest.mark.parametrize("code", [0, 3], ids=["success", "failure"])
def test_shows_the_log_and_returns_the_exit_code(dev: Account, code: int) -> None:
    lines: list[str] = []
    script = f'echo "in $LAKEHOUSE_ENVIRONMENT"; echo to stderr >&2; exit {code}'

    ended = runner_of(dev, lines).run(FAMILY, ["sh", "-c", script], timeout_seconds=60)

    assert ended == code
    assert lines == ["in dev", "to stderr"]


def test_shows_each_line_once_however_long_the_log(dev: Account) -> None:
    lines: list[str] = []
    runner_of(dev, lines).run(FAMILY, ["seq", "1", "100"], timeout_seconds=60)
    assert lines == [str(number) for number in range(1, 101)]


def test_starts_the_task_in_the_private_network_of_the_environment(dev: Account) -> None:
    runner = runner_of(dev, [])
    runner.run(FAMILY, ["true"], timeout_seconds=60)

    ecs = dev.client("ecs")
    (arn,) = ecs.list_tasks(cluster=dev.name)["taskArns"]
    (task,) = ecs.describe_tasks(cluster=dev.name, tasks=[arn])["tasks"]
    details = {detail["name"]: detail["value"] for detail in task["attachments"][0]["details"]}
    assert details["subnetId"] == runner.environment.subnets[0]
    assert task["launchType"] == "FARGATE"


def test_says_why_a_task_could_not_start(dev: Account) -> None:
    image_folder(dev.cloud.images, f"{dev.repository}:initial").rmdir()
    with pytest.raises(DeliveryError, match=r"CannotPullContainerError: .*:initial: not found"):
        runner_of(dev, []).run(FAMILY, ["true"], timeout_seconds=60)


def test_stops_a_task_that_takes_too_long(dev: Account) -> None:
    times = iter(range(0, 10**9, 100))
    clock = Clock(now=lambda: float(next(times)))
    with pytest.raises(DeliveryError, match="still running after 60 s"):
        runner_of(dev, [], clock).run(FAMILY, ["sleep", "600"], timeout_seconds=60)
    assert _desired_status(dev) == ["STOPPED"]


def test_tries_again_while_fargate_has_no_room(dev: Account) -> None:
    waits: list[float] = []
    runner = runner_of(dev, [], Clock(sleep=waits.append))
    answers: Iterator[dict[str, object]] = iter(
        [{"tasks": [], "failures": [{"reason": "RESOURCE:CPU"}]}] * 2
    )
    real = runner.ecs.run_task
    runner.ecs.run_task = lambda **request: next(answers, None) or real(**request)

    assert runner.run(FAMILY, ["true"], timeout_seconds=10**9) == 0
    assert waits[:2] == [0.1, 0.2]


def test_gives_up_on_any_other_refusal(dev: Account) -> None:
    runner = runner_of(dev, [])
    runner.ecs.run_task = lambda **_: {"tasks": [], "failures": [{"reason": "MISSING"}]}
    with pytest.raises(DeliveryError, match=f"{FAMILY}: MISSING"):
        runner.run(FAMILY, ["true"], timeout_seconds=60)


@pytest.mark.parametrize("code", [0, 3])
def test_verifying_ends_with_the_first_task_that_finds_something(
    code: int, dev: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[str] = []
    limits: list[float] = []

    def task(family: str, words: Sequence[str], minutes: float) -> int:
        run.append(f"{family}: {' '.join(words)}")
        limits.append(minutes)
        return code if "verify" in words else 0

    for name, value in {**CREDENTIALS, **dev.variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", dev.cloud.endpoint)
    monkeypatch.setattr(delivery, "_task", task)
    assert delivery.main(["verify"]) == code
    as_administrator = "python -m lakehouse.delivery as-administrator --"
    assert (
        run
        == [
            "operations: lakehouse topics check",
            f"operations: {as_administrator} lakehouse verify",
            "dbt: dbt test --target dev --exclude-resource-type unit_test",
        ][: 2 if code else 3]
    )
    # dev and qa build each hour: a mark that just misses a build waits for the next one's end.
    patience = signature(verify).parameters["wait"].default
    assert 60 + 30 <= patience < limits[1]
    assert sum(limits) < load("verify")["jobs"]["verify"]["timeout-minutes"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_cancelled_workflow_leaves_no_task_running(dev: Account, number: signal.Signals) -> None:
    command = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lakehouse.delivery",
            "run",
            "--",
            "sh",
            "-c",
            "echo begun; sleep 600",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            **CREDENTIALS,
            **dev.variables,
            "AWS_ENDPOINT_URL": dev.cloud.endpoint,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    for line in command.stdout:
        if line.strip() == "begun":
            break
    command.send_signal(number)

    command.communicate(timeout=60)
    assert command.returncode == 130
    assert _desired_status(dev) == ["STOPPED"]


def test_lines_of_a_log_cannot_steer_the_workflow() -> None:
    lines: list[str] = []
    with inert_workflow_commands(lines.append):
        lines.append("::add-path::/tmp/evil")
    token = lines[0].removeprefix("::stop-commands::")
    assert len(token) == 32
    assert lines == [f"::stop-commands::{token}", "::add-path::/tmp/evil", f"::{token}::"]


def test_names_what_the_environment_file_lacks(dev: Account) -> None:
    dev.client("s3").put_object(
        Bucket=dev.bucket, Key=f"environment/{dev.name}.env", Body=b"LAKEHOUSE_ENVIRONMENT=dev\n"
    )
    with pytest.raises(DeliveryError, match="LAKEHOUSE_ECS_CLUSTER, LAKEHOUSE_TASK_SUBNETS"):
        environment.load(dev.client("s3"), dev.variables)


@pytest.mark.parametrize(
    "uri", ["", "retail/dev.env", "s3://bucket"], ids=["unset", "no-scheme", "no-key"]
)
def test_names_the_variable_that_leads_nowhere(uri: str) -> None:
    with pytest.raises(DeliveryError, match="LAKEHOUSE_ENVIRONMENT_FILE is"):
        environment.load(None, {"LAKEHOUSE_ENVIRONMENT_FILE": uri})


def _desired_status(account: Account) -> list[str]:
    ecs = account.client("ecs")
    arns = ecs.list_tasks(cluster=account.name, desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=account.name, tasks=arns)["tasks"] if arns else []
    return [task["desiredStatus"] for task in tasks]
