"""Each way to log in to Redshift: what the driver is given for an environment."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import redshift_connector
import yaml
from dbt.adapters.base.impl import DEFAULT_BASE_BEHAVIOR_FLAGS
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.redshift.connections import RedshiftCredentials, get_connection_method
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt.config.profile import Profile
from dbt.config.renderer import ProfileRenderer
from dbt.contracts.project import ProjectFlags
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
    profile = _profile(environment, "prod")
    assert isinstance(profile.credentials, RedshiftCredentials)
    get_connection_method(profile.credentials)()
    return given


def _profile(environment: dict[str, str], target: str | None = None) -> Profile:
    set_invocation_context(environment)
    set_from_args(Namespace(PROFILES_DIR=None, PROJECT_DIR=None), {})
    return Profile.from_raw_profiles(
        yaml.safe_load(PROFILES.read_text("utf-8")),
        "retail_lakehouse",
        ProfileRenderer({}),
        target_override=target,
    )


@pytest.mark.parametrize(("named", "target"), [({}, "local"), ({"ENVIRONMENT": "qa"}, "qa")])
def test_in_an_environment_its_warehouse_is_the_target(named: dict[str, str], target: str) -> None:
    """So that `dbt build`, and `lakehouse rebuild`, mean it in a task."""
    environment = {f"LAKEHOUSE_{name}": value for name, value in named.items()}
    assert _profile({"LAKEHOUSE_REDSHIFT_USER": "x", **environment}).target_name == target


def test_duckdb_holds_no_more_than_it_is_given() -> None:
    def settings(environment: dict[str, str]) -> dict[str, Any]:
        credentials = _profile(environment, "local").credentials
        assert isinstance(credentials, DuckDBCredentials)
        return credentials.settings or {}

    unlimited = {"TimeZone": "UTC", "preserve_insertion_order": False}
    assert settings({}) == unlimited
    limited = settings({"LAKEHOUSE_DUCKDB_MEMORY": "512MB"})
    assert limited == {**unlimited, "memory_limit": "512MB"}
    with duckdb.connect() as connection:
        for name, value in limited.items():
            connection.execute(f"set {name} = '{value}'")
        [(limit,)] = connection.execute("select current_setting('memory_limit')").fetchall()
    assert limit == "488.2 MiB"


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


# Behaviour flags of dbt and the adapter that change neither transactions nor what is built after a
# failed start: names and files, warnings, `state:modified`, MetricFlow, microbatches and versions
# (the project has none), dbt's own snapshot strategies, catalogs, grants by role.
HARMLESS = {
    "allow_jinja_file_extensions",
    "enable_grouped_warn_error_parser_logs",
    "enable_truthy_nulls_equals_macro",
    "latest_version_pointer_enabled_by_default",
    "redshift_grants_extended",
    "require_all_warnings_handled_by_warn_error",
    "require_batched_execution_for_custom_microbatch_strategy",
    "require_corrected_analysis_fqns",
    "require_explicit_package_overrides_for_builtin_materializations",
    "require_generic_test_arguments_property",
    "require_nested_cumulative_type_params",
    "require_ref_searches_node_package_before_root",
    "require_resource_names_without_spaces",
    "require_source_and_semantic_model_names_without_spaces",
    "require_sql_header_in_test_configs",
    "require_unique_project_resource_names",
    "require_valid_schema_from_generate_schema_name",
    "require_yaml_configuration_for_mf_time_spines",
    "source_freshness_run_project_hooks",
    "state_modified_compare_more_unrendered_values",
    "state_modified_compare_vars",
    "support_custom_ref_kwargs",
    "use_catalogs_v2",
    "validate_macro_args",
}
PINNED = {
    "redshift_skip_autocommit_transaction_statements": False,
    "skip_nodes_if_on_run_start_fails": True,
}


def test_whatever_dbts_default_is_a_node_is_a_transaction() -> None:
    """Each flag that dbt or the adapter has was judged: a new one fails here."""
    adapters = RedshiftAdapter._behavior_flags.fget(None)  # type: ignore[attr-defined]
    known = {flag["name"] for flag in [*DEFAULT_BASE_BEHAVIOR_FLAGS, *adapters]}
    assert known | set(ProjectFlags().project_only_flags) == HARMLESS | set(PINNED)
    flags = yaml.safe_load(PROJECT.read_text("utf-8"))["flags"]
    assert {name: flags.get(name) for name in PINNED} == PINNED


def test_statements_outside_of_transactions_commit_and_drops_do_not_cascade() -> None:
    """The same defaults of the adapter's credentials, which may change too."""
    targets = yaml.safe_load(PROFILES.read_text("utf-8"))["retail_lakehouse"]["outputs"]
    for name in ("dev", "qa", "prod"):
        assert (targets[name]["autocommit"], targets[name]["drop_without_cascade"]) == (True, True)
