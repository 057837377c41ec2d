"""The connector on Amazon MSK Connect: made and changed from what Terraform has prepared for it.

MSK Connect has no REST interface of Kafka Connect; its API knows one connector by its name, keeps
its settings, and cannot start one again that has failed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ingestion.errors import RefusedError, TerminalError, TransientError
from ingestion.settings import EnvironmentSettings, named

WAIT_SECONDS = 1800
POLL_SECONDS = 10


class Place(EnvironmentSettings):
    """What a connector is made from besides its settings; Terraform's output `connector`."""

    model_config = named("LAKEHOUSE_CONNECT_") | SettingsConfigDict(env_ignore_empty=True)
    advice = (
        "run this in the environment's operations task. The plugin's are there once it is "
        "uploaded and applied (docs/runbooks/deployment.md, step 4)."
    )

    name: str = Field(description="Name of the connector.")
    kafkaconnect_version: str = Field(description="Version of Kafka Connect.")
    mcu_count: int = Field(description="Capacity units of its worker.")
    plugin_arn: str = Field(description="The plugin that holds Debezium.")
    plugin_revision: int = Field(description="Its revision.")
    worker_configuration_arn: str = Field(description="The worker's configuration.")
    worker_configuration_revision: int = Field(description="Its revision.")
    role_arn: str = Field(description="The role that the connector takes.")
    log_group: str = Field(description="Where its log goes in CloudWatch.")
    subnet_ids: str = Field(description="Subnets of the worker, separated by commas.")
    security_group_id: str = Field(description="Its security group.")

    def request(self, settings: Mapping[str, str], bootstrap_servers: str) -> dict[str, Any]:
        """The request that makes the connector with these settings."""
        plugin = {"customPluginArn": self.plugin_arn, "revision": self.plugin_revision}
        return {
            "connectorName": self.name,
            "connectorDescription": "Change events of the shop's Azure SQL Database.",
            "kafkaConnectVersion": self.kafkaconnect_version,
            "connectorConfiguration": dict(settings),
            "serviceExecutionRoleArn": self.role_arn,
            # One task reads the log of one database; more workers would stand idle.
            "capacity": {"provisionedCapacity": {"mcuCount": self.mcu_count, "workerCount": 1}},
            "kafkaCluster": {
                "apacheKafkaCluster": {
                    "bootstrapServers": bootstrap_servers,
                    "vpc": {
                        "securityGroups": [self.security_group_id],
                        "subnets": self.subnet_ids.split(","),
                    },
                }
            },
            "kafkaClusterClientAuthentication": {"authenticationType": "IAM"},
            "kafkaClusterEncryptionInTransit": {"encryptionType": "TLS"},
            "plugins": [{"customPlugin": plugin}],
            "workerConfiguration": {
                "workerConfigurationArn": self.worker_configuration_arn,
                "revision": self.worker_configuration_revision,
            },
            "logDelivery": {
                "workerLogDelivery": {
                    "cloudWatchLogs": {"enabled": True, "logGroup": self.log_group}
                }
            },
        }


@dataclass(frozen=True)
class Clock:
    """How time passes: seconds since any moment, and waiting."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def deploy(  # noqa: PLR0913 - what to deploy, where, and how
    client: Any,
    place: Place,
    settings: Mapping[str, str],
    bootstrap_servers: str,
    say: Callable[[str], None],
    *,
    replace: bool,
    clock: Clock | None = None,
) -> bool:
    """Make the connector, or change it to `settings`; whether anything had to be done.

    With `replace` it is deleted and made again: a failed connector needs that, one with another
    plugin or size, and one that shall read its secrets anew, since MSK Connect restarts none. It
    goes on where it stopped: its offsets are in a topic of ours. What differs is said by name;
    values may be secrets.

    Raises:
        TransientError: it is being changed by somebody else right now.
        TerminalError: it needs `replace`, or does not run afterwards.
    """
    clock = clock or Clock()
    wanted = place.request(settings, bootstrap_servers)
    arn = _find(client, place.name)
    if arn is None:
        say(f"{place.name}: making it")
        return _make(client, wanted, say, clock)
    found = client.describe_connector(connectorArn=arn)
    if found["connectorState"] not in ("RUNNING", "FAILED"):
        raise TransientError(
            f"{place.name} is {found['connectorState']}: wait until that has ended, then run this "
            "again"
        )
    if replace:
        say(f"{place.name}: removing it")
        client.delete_connector(connectorArn=arn)
        _wait(lambda: _find(client, place.name) is None, place.name, clock)
        say(f"{place.name}: making it again")
        return _make(client, wanted, say, clock)
    parts = ["state (it has failed)"] if found["connectorState"] == "FAILED" else []
    parts += _changed_parts(found, wanted)
    if parts:
        raise RefusedError(
            f"{place.name} cannot be changed in place: other {', '.join(parts)}. Run this with "
            "--replace: it is made again and goes on where it stopped."
        )
    changed = _changed_settings(found["connectorConfiguration"], settings)
    if not changed:
        say(f"{place.name}: as declared")
        return False
    say(f"{place.name}: changing {', '.join(changed)}")
    client.update_connector(
        connectorArn=arn,
        currentVersion=found["currentVersion"],
        connectorConfiguration=dict(settings),
    )
    return _until_running(client, arn, place.name, say, clock)


def _find(client: Any, name: str) -> str | None:
    pages = client.get_paginator("list_connectors").paginate(connectorNamePrefix=name)
    for page in pages:
        for connector in page["connectors"]:
            if connector["connectorName"] == name:
                return str(connector["connectorArn"])
    return None


def _changed_settings(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Names of settings that differ; one of an older release that holds the salt ends before it."""
    differing = {
        name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)
    }
    return sorted({name.partition(".with.salt.")[0] for name in differing})


def _changed_parts(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What besides the settings differs and cannot be changed in place, in words."""
    capacity = found.get("capacity", {}).get("provisionedCapacity", {})
    asked = wanted["capacity"]["provisionedCapacity"]
    compared = {
        "Kafka Connect version": (found["kafkaConnectVersion"], wanted["kafkaConnectVersion"]),
        "plugin": (found["plugins"], wanted["plugins"]),
        "worker configuration": (found["workerConfiguration"], wanted["workerConfiguration"]),
        "role": (found["serviceExecutionRoleArn"], wanted["serviceExecutionRoleArn"]),
        "size": ({name: capacity.get(name) for name in asked}, asked),
    }
    return [part for part, (is_, should) in compared.items() if is_ != should]


def _make(client: Any, wanted: Mapping[str, Any], say: Callable[[str], None], clock: Clock) -> bool:
    arn = client.create_connector(**wanted)["connectorArn"]
    return _until_running(client, arn, wanted["connectorName"], say, clock)


def _until_running(
    client: Any, arn: str, name: str, say: Callable[[str], None], clock: Clock
) -> bool:
    described: dict[str, Any] = {}

    def settled() -> bool:
        described.update(client.describe_connector(connectorArn=arn))
        return described["connectorState"] in ("RUNNING", "FAILED")

    _wait(settled, name, clock)
    if described["connectorState"] == "FAILED":
        reason = described.get("stateDescription", {}).get("message", "MSK Connect gives no reason")
        raise TerminalError(
            f"{name} has failed: {reason}. What to do: docs/runbooks/operations.md#connector-down"
        )
    say(f"{name}: running")
    return True


def _wait(done: Callable[[], bool], name: str, clock: Clock) -> None:
    deadline = clock.now() + WAIT_SECONDS
    while not done():
        if clock.now() > deadline:
            raise TransientError(f"{name} has not settled in {WAIT_SECONDS // 60} minutes")
        clock.sleep(POLL_SECONDS)
