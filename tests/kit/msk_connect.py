"""MSK Connect, as botocore's stub: it checks every request, and answers as a test says."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.stub import Stubber

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
PLACE = Place.read(ENVIRONMENT)
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
