"""The connector on MSK Connect, against botocore's stub, which checks every request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.errors import TerminalError, TransientError
from lakehouse.source.msk_connect import Place
from tests.kit.msk_connect import ARN, ENVIRONMENT, SETTINGS, Api


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
    with pytest.raises(
        TerminalError, match=r"LAKEHOUSE_CONNECT_PLUGIN_ARN, .*_REVISION are not set"
    ):
        Place.read(lacking)
