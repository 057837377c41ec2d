"""Kafka Connect with Debezium: one standalone worker, driven through its REST interface.

Standalone, because it gives what the pipeline has to stand: each change is delivered at least once,
in order within its partition, and again after a crash. A distributed worker with exactly-once
support would hide the redeliveries that a production worker without it makes, and needs three
topics and a rebalance more to start. Positions are kept in a file; connectors are not, so they are
created again when the worker has been started again.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playground.services.errors import ServiceError
from playground.services.java import java_command
from playground.services.process import LOOPBACK, Process, kept_port

SETTINGS = {
    "key.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    # The connectors are on the class path, and found through their service files: no scan of jars.
    "plugin.discovery": "service_load",
    # How soon a position is kept; `wait_until_delivered` waits for that.
    "offset.flush.interval.ms": "500",
    # Secrets are files; settings hold references to them, as in production.
    "config.providers": "directory",
    "config.providers.directory.class": (
        "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
    ),
    # Topics are made from the declarations, never by a connector.
    "topic.creation.enable": "false",
    # It starts together with the broker; the other strategy asks for it in a busy loop until then.
    "metadata.recovery.strategy": "none",
}


@dataclass(frozen=True)
class ConnectorStatus:
    """What the worker says of a connector; `trace` is the error of what failed, else empty."""

    state: str
    task_states: tuple[str, ...]
    trace: str

    @property
    def running(self) -> bool:
        """Whether the connector and its task run."""
        return self.state == "RUNNING" and self.task_states == ("RUNNING",)

    @property
    def failed(self) -> bool:
        """Whether the connector or its task has given up."""
        return "FAILED" in (self.state, *self.task_states)


@dataclass(frozen=True)
class CheckedSetting:
    """A setting that a connector knows, and what is wrong with its value."""

    name: str
    errors: tuple[str, ...]


class ConnectWorker:
    """A worker with its positions in `directory`; the port stays the same when it starts again."""

    def __init__(self, directory: Path, log: Path, *, bootstrap_servers: str) -> None:
        self.port = kept_port(directory)
        self._directory = directory.absolute()
        self._bootstrap_servers = bootstrap_servers
        self._properties = self._directory / "worker.properties"
        self._secrets = self._directory / "secrets"
        self.process = Process(
            "Kafka Connect",
            java_command(
                "connect",
                "org.apache.kafka.connect.cli.ConnectStandalone",
                str(self._properties),
                heap_megabytes=768,
            ),
            log=log,
        )

    @property
    def url(self) -> str:
        """The root of the REST interface."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start the worker; does not wait for it to be ready."""
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS | {
            "bootstrap.servers": self._bootstrap_servers,
            "listeners": self.url,
            "offset.storage.file.filename": str(self._directory / "offsets"),
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        self._properties.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.process.start()

    def wait_until_ready(self) -> None:
        """Return when it answers; ServiceError when it does not."""
        self.process.wait_until(self._answers, seconds=120)

    def kill(self) -> None:
        """`kill -9`; `restart` brings it back."""
        self.process.kill()

    def restart(self) -> None:
        """Start again on the same port and wait until it answers; create the connectors again."""
        self.process.stop()
        self.start()
        self.wait_until_ready()

    def keep_secret(self, name: str, value: str) -> str:
        """The reference by which a connector's setting takes `value`, which the worker keeps."""
        self._secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._secrets / name).write_text(value, encoding="utf-8")
        return f"${{directory:{self._secrets}:{name}}}"

    def create(self, name: str, settings: Mapping[str, str]) -> None:
        """Create connector `name`, or give it other settings.

        Raises:
            ServiceError: the settings are refused; names each of them with the reason.
        """
        try:
            self._request("PUT", f"/connectors/{name}/config", settings)
        except ServiceError as error:
            # The worker itself often answers no more than that there was an exception.
            problems = [
                f"{checked.name}: {reason}"
                for checked in self.validate({**settings, "name": name})
                for reason in checked.errors
            ]
            if not problems:
                raise
            raise ServiceError(f"connector {name} is refused: {'; '.join(problems)}") from error

    def delete(self, name: str) -> None:
        """Remove connector `name`; its position stays known to the worker."""
        self._request("DELETE", f"/connectors/{name}")

    def positions(self, name: str) -> list[dict[str, Any]]:
        """Up to where Kafka has acknowledged everything of connector `name`, in its own words."""
        found = self._request("GET", f"/connectors/{name}/offsets")
        return [entry["offset"] for entry in found["offsets"]]

    def forget(self, name: str) -> None:
        """Remove the position of connector `name`, which must be stopped."""
        self._request("DELETE", f"/connectors/{name}/offsets")

    def pause(self, name: str) -> None:
        """The connector stops to read but keeps its connections."""
        self._request("PUT", f"/connectors/{name}/pause")

    def stop(self, name: str) -> None:
        """The connector's task ends; settings and position stay."""
        self._request("PUT", f"/connectors/{name}/stop")

    def resume(self, name: str) -> None:
        """Undo `pause` or `stop`."""
        self._request("PUT", f"/connectors/{name}/resume")

    def restart_connector(self, name: str) -> None:
        """Restart a connector with its tasks, as one does after a failure."""
        self._request("POST", f"/connectors/{name}/restart?includeTasks=true")

    def connectors(self) -> tuple[str, ...]:
        """The names of all connectors."""
        return tuple(self._request("GET", "/connectors"))

    def status(self, name: str) -> ConnectorStatus:
        """What connector `name` and its task do."""
        found = self._request("GET", f"/connectors/{name}/status")
        tasks = found["tasks"]
        traces = [part["trace"] for part in (found["connector"], *tasks) if "trace" in part]
        return ConnectorStatus(
            found["connector"]["state"], tuple(task["state"] for task in tasks), "\n".join(traces)
        )

    def raise_if_failed(self, name: str, status: ConnectorStatus | None = None) -> None:
        """Raise ServiceError with the connector's own error if it has failed."""
        found = status or self.status(name)
        if found.failed:
            raise ServiceError(
                f"connector {name} failed; its log is {self.process.log}:\n{found.trace}"
            )

    def validate(self, settings: Mapping[str, str]) -> tuple[CheckedSetting, ...]:
        """What the connector's class says of `settings`: one entry per setting that it knows."""
        plugin = settings["connector.class"]
        answer = self._request("PUT", f"/connector-plugins/{plugin}/config/validate", settings)
        return tuple(
            CheckedSetting(
                entry["definition"]["name"],
                tuple(entry["value"]["errors"] if entry["value"] else ()),
            )
            for entry in answer["configs"]
        )

    def _answers(self) -> bool:
        try:
            self._request("GET", "/connectors", timeout=2)
        except ServiceError:
            return False
        return True

    def _request(
        self, method: str, path: str, body: Mapping[str, str] | None = None, timeout: float = 60
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is our own worker's
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(dict(body)).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
                content = response.read()
        except urllib.error.HTTPError as error:
            answer = error.read().decode(errors="replace")
            raise ServiceError(f"Kafka Connect refused {method} {path}: {answer}") from error
        except OSError as error:
            raise ServiceError(f"Kafka Connect at {self.url} does not answer: {error}") from error
        return json.loads(content) if content else None
