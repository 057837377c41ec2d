"""A moto server as a process of its own, with the two things added that moto lacks.

* Fargate: moto notes a task and runs nothing. Here the task's command runs as a process, with the
  environment of its definition, in the folder that stands for its image; its lines go to the log.
* Glue: moto has neither UpdateJob nor BatchStopJobRun, and its runs end when they are looked at.

usage: python -m tests.infra.workflows.server <folder of images>
Prints where it listens; ends, with all it runs, when its standard input does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend, Task
from moto.glue.responses import GlueResponse
from moto.logs.models import logs_backends
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

from tests.infra.workflows.cloud import CREDENTIALS, image_folder

NEVER = {"progression": "manual", "times": 10**9}


@dataclass
class Fargate:
    """Runs the tasks of one server."""

    endpoint: str
    images: Path
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def run(self, task: Task, definition: Any) -> None:
        """Run the task's command until it ends; then the task has stopped, with its exit code."""
        (container,) = task.containers
        # moto types nothing of what it was given
        image = image_folder(self.images, str(container.image))
        if not image.is_dir():
            _stop(task, f"CannotPullContainerError: {container.image}: not found")
            return
        (override,) = task.overrides["containerOverrides"]
        assert isinstance(container.environment, list)
        environment = {pair["name"]: pair["value"] for pair in container.environment}
        process = subprocess.Popen(
            override["command"],
            cwd=image,
            env={
                **CREDENTIALS,
                "AWS_ENDPOINT_URL": self.endpoint,
                "HOME": str(image),
                "LC_ALL": "C.UTF-8",
                "PATH": f"{image}/.image/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
                "DBT_TARGET_PATH": f"{image}/.image/target",
                "DBT_LOG_PATH": f"{image}/.image/logs",
                "ANSIBLE_CONFIG": f"{image}/infra/ansible/ansible.cfg",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes[task.id] = process
        options = definition.container_definitions[0]["logConfiguration"]["options"]
        stream = f"{options['awslogs-stream-prefix']}/{container.name}/{task.id}"
        self._log(options["awslogs-group"], stream, process)
        container.exitCode = process.wait()
        _stop(task, "Essential container in task exited")

    def kill(self, task: Task) -> None:
        """End the task's process, as StopTask does."""
        process = self.processes.get(task.id)
        if process is not None and process.poll() is None:
            process.kill()

    def _log(self, group: str, stream: str, process: subprocess.Popen[str]) -> None:
        logs = logs_backends[DEFAULT_ACCOUNT_ID][CREDENTIALS["AWS_REGION"]]
        logs.create_log_stream(group, stream)
        assert process.stdout is not None
        for line in process.stdout:
            event = {"timestamp": int(time.time() * 1000), "message": line.rstrip("\n") or " "}
            logs.put_log_events(group, stream, [event])


def _stop(task: Task, reason: str) -> None:
    task.stopped_reason = reason
    task.last_status = "STOPPED"


def _running(original: Callable[..., list[Task]], fargate: Fargate) -> Callable[..., list[Task]]:
    def run_task(self: Any, *arguments: Any, **named: Any) -> list[Task]:
        tasks = original(self, *arguments, **named)
        for task in tasks:
            task.containers[0].exitCode = None  # type: ignore[assignment] # not ended
            definition = self.describe_task_definition(task.task_definition_arn)
            threading.Thread(target=fargate.run, args=(task, definition), daemon=True).start()
        return tasks

    return run_task


def _stopping(original: Callable[..., Task], fargate: Fargate) -> Callable[..., Task]:
    def stop_task(self: Any, *arguments: Any, **named: Any) -> Task:
        task = original(self, *arguments, **named)
        fargate.kill(task)
        return task

    return stop_task


def _update_job(self: GlueResponse) -> ActionResult:
    """UpdateJob: what is not given is reset to nothing (Glue, "UpdateJob action")."""
    name = self._get_param("JobName")
    update = self._get_param("JobUpdate")
    if "WorkerType" in update and ("MaxCapacity" in update or "AllocatedCapacity" in update):
        raise AssertionError("Glue refuses MaxCapacity beside WorkerType and NumberOfWorkers")
    job = self.glue_backend.get_job(name)
    job.command = update["Command"]
    job.role = update["Role"]
    job.default_arguments = update.get("DefaultArguments", {})
    job.glue_version = update.get("GlueVersion")
    job.worker_type = update.get("WorkerType")
    job.number_of_workers = update.get("NumberOfWorkers")
    job.connections = update.get("Connections")
    job.security_configuration = update.get("SecurityConfiguration")
    job.execution_property = update.get("ExecutionProperty")
    return ActionResult({"JobName": name})


def _batch_stop_job_run(self: GlueResponse) -> ActionResult:
    job = self.glue_backend.get_job(self._get_param("JobName"))
    wanted = self._get_param("JobRunIds")
    for run in job.job_runs:
        if run.job_run_id in wanted:
            run.status = "STOPPED"
    return ActionResult({"SuccessfulSubmissions": [{"JobRunId": run} for run in wanted]})


def main(images: Path) -> None:
    """Serve until standard input ends."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fargate = Fargate(f"http://{host}:{port}", images)
    backend = EC2ContainerServiceBackend
    backend.run_task = _running(backend.run_task, fargate)  # type: ignore[method-assign]
    backend.stop_task = _stopping(backend.stop_task, fargate)  # type: ignore[method-assign]
    GlueResponse.update_job = _update_job  # type: ignore[attr-defined]
    GlueResponse.batch_stop_job_run = _batch_stop_job_run  # type: ignore[attr-defined]
    state_manager.set_transition("ecs::task", NEVER)
    state_manager.set_transition("glue::job_run", NEVER)
    print(fargate.endpoint, flush=True)
    sys.stdin.read()
    for process in fargate.processes.values():
        process.kill()
    # Waiting for its threads takes seconds, and nothing is left to do.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
