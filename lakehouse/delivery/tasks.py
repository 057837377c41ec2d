"""Run a command as an ECS task inside the VPC: start it, show its log, return its exit code."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lakehouse.delivery.environment import DeliveryError, Environment

CONTAINER = "lakehouse"
# What RunTask answers while Fargate has no room; it passes.
NO_CAPACITY = ("RESOURCE:", "Capacity is unavailable")
ATTEMPTS = 5


@dataclass(frozen=True)
class Clock:
    """How time passes: seconds since any moment, and waiting."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class TaskRunner:
    """Starts tasks of one environment. `show` gets each line of a task's log.

    It looks every `poll_seconds`, and more often in a task's first seconds: many are short.
    """

    ecs: Any
    logs: Any
    environment: Environment
    show: Callable[[str], None]
    clock: Clock = Clock()
    poll_seconds: float = 4

    def run(self, family: str, command: Sequence[str], *, timeout_seconds: float) -> int:
        """Run `command` in the newest revision of `family`; its exit code.

        The task is stopped when it takes longer than `timeout_seconds`, and when we are
        interrupted: a cancelled workflow leaves nothing running.

        Raises:
            DeliveryError: the task could not start, or was stopped by something else.
        """
        task = self._start(family, command)
        stream = self._stream(task)
        deadline = self.clock.now() + timeout_seconds
        pause = self.poll_seconds / 8
        with self._stopped_on_interrupt(task["taskArn"]):
            while task["lastStatus"] != "STOPPED":
                stream.show_new()
                if self.clock.now() > deadline:
                    self._stop(task["taskArn"], "took longer than its timeout")
                    raise DeliveryError(
                        f"stopped {task['taskArn']}: still running after {timeout_seconds:.0f} s"
                    )
                self.clock.sleep(pause)
                pause = min(self.poll_seconds, pause * 1.5)
                task = self._describe(task["taskArn"])
        stream.show_new()
        return _exit_code(task)

    def _start(self, family: str, command: Sequence[str]) -> dict[str, Any]:
        for attempt in range(1, ATTEMPTS + 1):
            answer = self.ecs.run_task(
                cluster=self.environment.name,
                taskDefinition=family,
                launchType="FARGATE",
                networkConfiguration={
                    "awsvpcConfiguration": {
                        "subnets": list(self.environment.subnets),
                        "securityGroups": list(self.environment.security_groups),
                        "assignPublicIp": "DISABLED",
                    }
                },
                overrides={"containerOverrides": [{"name": CONTAINER, "command": list(command)}]},
                startedBy="delivery",
            )
            if answer["tasks"]:
                task: dict[str, Any] = answer["tasks"][0]
                return task
            reasons = "; ".join(failure.get("reason", "?") for failure in answer["failures"])
            if attempt < ATTEMPTS and any(reason in reasons for reason in NO_CAPACITY):
                self.clock.sleep(self.poll_seconds * 2**attempt)
                continue
            break
        raise DeliveryError(f"ECS could not start a task of {family}: {reasons}")

    def _describe(self, arn: str) -> dict[str, Any]:
        answer = self.ecs.describe_tasks(cluster=self.environment.name, tasks=[arn])
        if not answer["tasks"]:
            raise DeliveryError(f"ECS no longer knows {arn}: look for its log in CloudWatch")
        task: dict[str, Any] = answer["tasks"][0]
        return task

    def _stream(self, task: dict[str, Any]) -> _LogStream:
        definition = self.ecs.describe_task_definition(taskDefinition=task["taskDefinitionArn"])
        container = _container(definition["taskDefinition"])
        options = container["logConfiguration"]["options"]
        task_id = task["taskArn"].rpartition("/")[2]
        # The awslogs driver's own naming: prefix/container/task id.
        name = f"{options['awslogs-stream-prefix']}/{CONTAINER}/{task_id}"
        return _LogStream(self.logs, options["awslogs-group"], name, self.show)

    @contextmanager
    def _stopped_on_interrupt(self, arn: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self._stop(arn, "the workflow was cancelled")
            raise

    def _stop(self, arn: str, reason: str) -> None:
        self.ecs.stop_task(cluster=self.environment.name, task=arn, reason=reason)


class _LogStream:
    """A task's log stream, which appears only with its first line."""

    def __init__(self, logs: Any, group: str, name: str, show: Callable[[str], None]) -> None:
        self._logs = logs
        self._place = {"logGroupName": group, "logStreamName": name}
        self._show = show
        self._token: str | None = None

    def show_new(self) -> None:
        """Show the lines that were written since the last call."""
        while True:
            more = {"nextToken": self._token} if self._token else {}
            try:
                answer = self._logs.get_log_events(**self._place, startFromHead=True, **more)
            except self._logs.exceptions.ResourceNotFoundException:
                return
            for event in answer["events"]:
                self._show(event["message"])
            # At the end CloudWatch answers with the token that it was given.
            if answer["nextForwardToken"] == self._token:
                return
            self._token = answer["nextForwardToken"]


@contextmanager
def inert_workflow_commands(show: Callable[[str], None]) -> Iterator[None]:
    """Keep GitHub from obeying lines of a task's log such as `::add-path::`.

    What a task prints may come from records of the shop; it must not steer the workflow.
    (GitHub, "Workflow commands": stopping and starting workflow commands.)
    """
    token = secrets.token_hex(16)
    show(f"::stop-commands::{token}")
    try:
        yield
    finally:
        show(f"::{token}::")


def _container(definition: dict[str, Any]) -> dict[str, Any]:
    for container in definition["containerDefinitions"]:
        if container["name"] == CONTAINER:
            found: dict[str, Any] = container
            return found
    raise DeliveryError(
        f"{definition['taskDefinitionArn']} has no container named {CONTAINER}: its definition in "
        "infra/terraform must have one"
    )


def _exit_code(task: dict[str, Any]) -> int:
    for container in task["containers"]:
        if container["name"] == CONTAINER and container.get("exitCode") is not None:
            return int(container["exitCode"])
    reason = task.get("stoppedReason") or "ECS gives no reason"
    raise DeliveryError(f"{task['taskArn']} ended without running the command: {reason}")
