"""dbt's own functional test fixtures, with our package installed in the projects that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.cli.main import dbtRunner

# The fixtures of dbt-tests-adapter are made to be taken over as a whole, and some to be replaced.
from dbt.tests.fixtures.project import *  # noqa: F403

PACKAGE = Path(__file__).parents[2] / "packages/cdc_history"


@pytest.fixture(scope="class")  # type: ignore[no-redef]
def dbt_profile_target() -> dict[str, Any]:
    return {"type": "duckdb", "path": "adapter.duckdb", "threads": 2}


@pytest.fixture(scope="class")  # type: ignore[no-redef]
def packages() -> dict[str, Any]:
    return {"packages": [{"local": str(PACKAGE)}]}


@pytest.fixture(scope="class")
def search_order() -> list[str]:
    """Where dbt looks for its own macros, in a project that installs the package."""
    return ["test", "cdc_history", "dbt"]


@pytest.fixture(scope="class")  # type: ignore[no-redef]
def dbt_project_yml(
    project_root: Path,
    project_config_update: dict[str, Any] | str,
    search_order: list[str],
    packages_yml: None,
) -> dict[str, Any]:
    """The project's file; what it installs is installed as people do it."""
    update = project_config_update
    project = {
        "name": "test",
        "profile": "test",
        "flags": {"send_anonymous_usage_stats": False},
        "dispatch": [{"macro_namespace": "dbt", "search_order": search_order}],
    } | (yaml.safe_load(update) if isinstance(update, str) else update)
    Path(project_root, "dbt_project.yml").write_text(yaml.safe_dump(project), "utf-8")
    result = dbtRunner().invoke(["--quiet", "deps", "--project-dir", str(project_root)])
    assert result.success, result.exception
    return project
