"""Each way to log in to Redshift: what the driver is given for an environment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import redshift_connector
import yaml
from dbt.adapters.redshift.connections import RedshiftCredentials, get_connection_method
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt.flags import set_from_args
from dbt_common.context import set_invocation_context

PROFILES = Path(__file__).parents[3] / "profiles.yml"
PROJECT = PROFILES.with_name("dbt_project.yml")


def _connect(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What redshift_connector is called with for target prod in `environment`."""
    given: dict[str, Any] = {}

    class Session:
        autocommit = False

        def cursor(self) -> Session:
            return self

        def execute(self, _sql: str) -> None:
            """Roles and the like are set by statements."""

    def connect(**arguments: Any) -> Session:
        given.update(arguments)
        return Session()

    monkeypatch.setattr(redshift_connector, "connect", connect)
    set_invocation_context(environment)
    set_from_args(Namespace(PROFILES_DIR=None, PROJECT_DIR=None), {})
    profile = Profile.from_raw_profiles(
        yaml.safe_load(PROFILES.read_text("utf-8")),
        "retail_lakehouse",
        ProfileRenderer({}),
        target_override="prod",
    )
    assert isinstance(profile.credentials, RedshiftCredentials)
    get_connection_method(profile.credentials)()
    return given


def test_a_role_on_a_provisioned_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default: credentials of the caller's AWS role, certificate and name verified."""
    given = _connect(
        {"LAKEHOUSE_REDSHIFT_HOST": "c.example", "LAKEHOUSE_REDSHIFT_CLUSTER": "retail"},
        monkeypatch,
    )
    assert (given["iam"], given["group_federation"]) == (True, True)
    assert given["cluster_identifier"] == "retail"
    assert (given["ssl"], given["sslmode"]) == (True, "verify-full")
    assert given["timeout"] == 7200
    assert not given["password"]


def test_a_role_on_a_serverless_workgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _connect(
        {
            "LAKEHOUSE_REDSHIFT_HOST": "w.redshift-serverless.example",
            "LAKEHOUSE_REDSHIFT_SERVERLESS": "true",
            "LAKEHOUSE_REDSHIFT_WORKGROUP": "retail",
        },
        monkeypatch,
    )
    assert (given["iam"], given["is_serverless"]) == (True, True)
    assert given["serverless_work_group"] == "retail"


def test_an_iam_user(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _connect(
        {
            "LAKEHOUSE_REDSHIFT_HOST": "c.example",
            "LAKEHOUSE_REDSHIFT_METHOD": "iam",
            "LAKEHOUSE_REDSHIFT_USER": "dbt",
            "LAKEHOUSE_REDSHIFT_CLUSTER": "retail",
        },
        monkeypatch,
    )
    assert (given["iam"], given["db_user"]) == (True, "dbt")


def test_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _connect(
        {
            "LAKEHOUSE_REDSHIFT_HOST": "c.example",
            "LAKEHOUSE_REDSHIFT_METHOD": "database",
            "LAKEHOUSE_REDSHIFT_USER": "dbt",
            "LAKEHOUSE_REDSHIFT_PASSWORD": "secret",
        },
        monkeypatch,
    )
    assert (given["user"], given["password"]) == ("dbt", "secret")
    assert not given.get("iam")


def test_whatever_dbts_default_is_a_node_is_a_transaction() -> None:
    """Behaviour flags of the adapter are off until it makes them the default."""
    known = RedshiftAdapter._behavior_flags.fget(None)  # type: ignore[attr-defined]
    changing = {flag["name"] for flag in known if "transaction" in flag["description"].lower()}
    assert changing
    flags = yaml.safe_load(PROJECT.read_text("utf-8"))["flags"]
    assert {name: flags.get(name) for name in changing} == dict.fromkeys(changing, False)
