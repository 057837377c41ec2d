"""dbt's own functional test fixtures, with our macros in the projects that they make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

# The fixtures of dbt-tests-adapter are made to be taken over as a whole.
from dbt.tests.fixtures.project import *  # noqa: F403

_MACROS = Path(__file__).parents[2] / "macros"
# What another project copies: docs/cdc_macros.md.
PORTABLE = (
    "cdc",
    "engine",
    "operations/operations_relation.sql",
    "operations/runs.sql",
    "operations/watermarks.sql",
)


@pytest.fixture(scope="class")
def dbt_profile_target() -> dict[str, Any]:
    return {"type": "duckdb", "path": "adapter.duckdb", "threads": 2}


@pytest.fixture(scope="class")
def macros() -> dict[str, str]:
    paths = [_MACROS / name for name in PORTABLE]
    files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.sql"))]
    return {file.name: file.read_text() for file in files}
