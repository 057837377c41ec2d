"""The connector on MSK Connect, against botocore's stub, which checks every request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ingestion.errors import TerminalError, TransientError
from lakehouse.source.msk_connect import Clock, Place, deploy

ARN = "arn:aws:kafkaconnect:eu-central-1:123456789012:connector/shop-sqlserver/11111111-1"
SERVERS = "b-1:9098"
SETTINGS = {
    "connector.class": "SqlServerConnector",
    "transforms.pseudonyms.salt.secret": "${secretsmanager:pii-salt:salt}",
}
ENVIRONMENT = {
    "LAKEHOUSE_CONNECT_NAME": "shop-sqlserver",
    "LAKEHOUSE_CONNECT_KAFKACONNECT_VERSION": "3.7.x",
    "LAKEHOUSE_CONNECT_MCU_COUNT": "1",
    "LAKEHOUSE_CONNECT_PLUGIN_ARN": (
        "arn:aws:kafkaconnect:eu-central-1:123456789012:custom-plugin/p/1"
    ),
    "LAKEHOUSE_CONNECT_PLUGIN_REVISION": "1",
    "LAKEHOUSE_CONNECT_WORKER_CONFIGURATION_ARN": (
        "arn:aws:kafkaconnect:eu-central-1:123456789012:worker-configuration/w/1"
    ),
    "LAKEHOUSE_CONNECT_WORKER_CONFIGURATION_REVISION": "1",
    "LAKEHOUSE_CONNECT_ROLE_ARN": "arn:aws:iam::123456789012:role/connector",
    "LAKEHOUSE_CONNECT_LOG_GROUP": "/shop/connect",
    "LAKEHOUSE_CONNECT_SUBNET_IDS": "subnet-1,subnet-2,subnet-3",
    "LAKEHOUSE_CONNECT_SECURITY_GROUP_ID": "sg-1",
}
PLACE = Place.from_environment(ENVIRONMENT)
REQUEST = PLACE.request(SETTINGS, SERVERS)


class Api:
    """MSK Connect: the calls that are expected, in their order, and what was said meanwhile."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "kafkaconnect",
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.stub = Stubber(self.client)
        self.said: list[str] = []

    def lists(self, *names: str) -> None:
        connectors = [{"connectorArn": ARN, "connectorName": name} for name in names]
        asked = {"connectorNamePrefix": "shop-sqlserver"}
        self.stub.add_response("list_connectors", {"connectors": connectors}, asked)

    def describes(self, state: str = "RUNNING", **changes: Any) -> None:
        described: dict[str, Any] = {
            "connectorArn": ARN,
            "connectorState": state,
            "currentVersion": "K1",
            **{
                name: REQUEST[name]
                for name in (
                    "connectorName",
                    "connectorConfiguration",
                    "kafkaConnectVersion",
                    "plugins",
                    "workerConfiguration",
                    "serviceExecutionRoleArn",
                    "capacity",
                )
            },
            **changes,
        }
        self.stub.add_response("describe_connector", described, {"connectorArn": ARN})

    def creates(self) -> None:
        self.stub.add_response("create_connector", {"connectorArn": ARN}, REQUEST)

    def deploy(self, *, replace: bool = False) -> bool:
        clock = Clock(now=lambda: 0.0, sleep=lambda _: None)
        return deploy(
            self.client, PLACE, SETTINGS, SERVERS, self.said.append, replace=replace, clock=clock
        )


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    with api.stub:
        yield api
    api.stub.assert_no_pending_responses()


def test_makes_a_connector_that_is_not_there_and_waits_for_it(api: Api) -> None:
    api.lists("shop-sqlserver-of-somebody-else")
    api.creates()
    api.describes("CREATING")
    api.describes("RUNNING")
    assert api.deploy()
    assert api.said[-1] == "shop-sqlserver: running"


def test_does_nothing_without_a_difference(api: Api) -> None:
    api.lists("shop-sqlserver")
    api.describes()
    assert not api.deploy()
    assert api.said == ["shop-sqlserver: as declared"]


def test_changes_settings_in_place_and_says_no_salt_of_an_older_release(api: Api) -> None:
    old = {"connector.class": "SqlServerConnector", "column.mask.hash.v2.SHA-256.with.salt.s0": "a"}
    api.lists("shop-sqlserver")
    api.describes(connectorConfiguration=old)
    api.stub.add_response(
        "update_connector",
        {"connectorArn": ARN},
        {"connectorArn": ARN, "currentVersion": "K1", "connectorConfiguration": SETTINGS},
    )
    api.describes("UPDATING")
    api.describes()
    assert api.deploy()
    assert api.said[0] == (
        "shop-sqlserver: changing column.mask.hash.v2.SHA-256, transforms.pseudonyms.salt.secret"
    )


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        ("FAILED", {}, "it has failed"),
        ("RUNNING", {"capacity": {}}, "other size"),
        ("RUNNING", {"kafkaConnectVersion": "2.7.1"}, "other Kafka Connect version"),
        ("RUNNING", {"plugins": []}, "other plugin"),
    ],
    ids=["failed", "size", "version", "plugin"],
)
def test_asks_before_it_makes_one_again(
    api: Api, state: str, changes: dict[str, Any], why: str
) -> None:
    api.lists("shop-sqlserver")
    api.describes(state, **changes)
    with pytest.raises(TerminalError, match=f"{why}.*--replace"):
        api.deploy()

    api.lists("shop-sqlserver")
    api.describes(state, **changes)
    api.stub.add_response("delete_connector", {"connectorArn": ARN}, {"connectorArn": ARN})
    api.lists("shop-sqlserver")
    api.lists()
    api.creates()
    api.describes()
    assert api.deploy(replace=True)


def test_makes_it_again_when_asked_so_that_it_reads_its_secrets_anew(api: Api) -> None:
    api.lists("shop-sqlserver")
    api.describes()
    api.stub.add_response("delete_connector", {"connectorArn": ARN}, {"connectorArn": ARN})
    api.lists()
    api.creates()
    api.describes()
    assert api.deploy(replace=True)


def test_waits_for_somebody_elses_change(api: Api) -> None:
    api.lists("shop-sqlserver")
    api.describes("UPDATING")
    with pytest.raises(TransientError, match="is UPDATING"):
        api.deploy(replace=True)


def test_says_why_a_connector_failed(api: Api) -> None:
    api.lists()
    api.creates()
    api.describes("FAILED", stateDescription={"code": "x", "message": "Login failed for debezium"})
    with pytest.raises(TerminalError, match="Login failed for debezium"):
        api.deploy()


def test_names_what_the_environment_lacks() -> None:
    lacking = {name: value for name, value in ENVIRONMENT.items() if "PLUGIN" not in name}
    with pytest.raises(TerminalError, match=r"LAKEHOUSE_CONNECT_PLUGIN_ARN, .*_REVISION not set"):
        Place.from_environment(lacking)
