"""The conftest.py of a run of dbt's own test suites: notes each test's SQL beside its outcome.

ZONES_INSTALLED says whether the package is installed in the projects, ZONES_NOTES where notes go.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

if os.environ["ZONES_INSTALLED"] == "yes":
    from tests.adapter.conftest import *  # noqa: F403
else:
    from dbt.tests.fixtures.project import *  # noqa: F403

# What differs from run to run: the test's schema, invocations, temporary folders, moments.
_PASSING = re.compile(
    r"test\d{10,}|[0-9a-f]{8}-[0-9a-f-]{27}|pytest-\d+|\d{4}-\d\d-\d\d[T ][\d:.+]+|\d{9,}"
)
_SQL: dict[str, list[str]] = defaultdict(list)
_OUTCOMES: dict[str, list[str]] = defaultdict(list)
_now: list[str] = ["collection"]
_add_query = DuckDBConnectionManager.add_query


def _noting(self: Any, sql: str, *arguments: Any, **options: Any) -> Any:
    # predicates of dbt's catalog query stand in the order of a set
    words = " ".join(sorted(_PASSING.sub("?", sql).split()))
    _SQL[_now[0]].append(words)
    return _add_query(self, sql, *arguments, **options)


DuckDBConnectionManager.add_query = _noting  # type: ignore[method-assign]


@pytest.fixture(scope="class")  # type: ignore[no-redef]
def dbt_profile_target() -> dict[str, Any]:
    return {"type": "duckdb", "path": "adapter.duckdb", "threads": 1}


def pytest_runtest_logstart(nodeid: str) -> None:
    _now[0] = nodeid


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _OUTCOMES[report.nodeid].append(f"{report.when} {report.outcome}")


def pytest_sessionfinish() -> None:
    notes = {name: {"outcomes": _OUTCOMES[name], "sql": sorted(_SQL[name])} for name in _OUTCOMES}
    Path(os.environ["ZONES_NOTES"]).write_text(json.dumps(notes), "utf-8")
