"""The connectors' settings against Debezium's and Kafka Connect's own classes."""

from __future__ import annotations

import pytest

from ingestion.declarations import load
from ingestion.settings import ConnectorName
from lakehouse.source.connectors import PSEUDONYMS, render
from playground.services import Services

# Families of settings whose members have names of their own, or belong to a part that the
# connector starts: Debezium's reference, "pass-through" properties.
FAMILIES = (
    "database.",
    "driver.",
    "key.converter.",
    "producer.override.",
    "schema.history.internal.",
    "value.converter.",
)


def rendered(connector: ConnectorName, snapshot_of: tuple[str, ...]) -> dict[str, str]:
    return render(
        load(),
        connector,
        bootstrap_servers="127.0.0.1:9092",
        auth="none",
        snapshot_of=snapshot_of,
    )


@pytest.mark.parametrize("snapshot_of", [(), ("stores",)], ids=["streaming", "snapshot only"])
@pytest.mark.parametrize("connector", ["postgresql", "sqlserver"])
def test_every_setting_is_one_that_the_connector_knows(
    services: Services, connector: ConnectorName, snapshot_of: tuple[str, ...]
) -> None:
    settings = rendered(connector, snapshot_of)
    known = {checked.name for checked in services.connect.validate({**settings, "name": "any"})}
    unknown = {name for name in settings if name not in known and not name.startswith(FAMILIES)}
    assert not unknown


@pytest.mark.parametrize("snapshot_of", [(), ("stores",)], ids=["streaming", "snapshot only"])
@pytest.mark.parametrize("connector", ["postgresql", "sqlserver"])
def test_no_value_is_wrong_but_the_databases_place_and_secrets(
    services: Services, connector: ConnectorName, snapshot_of: tuple[str, ...]
) -> None:
    settings = rendered(connector, snapshot_of)
    checked = services.connect.validate({**settings, "name": "any"})
    wrong = {setting.name for setting in checked if setting.errors}
    secrets = {f"database.{name}" for name in ("hostname", "port", "user", "password")}
    assert wrong <= {*secrets, f"{PSEUDONYMS}.salt.secret"}
