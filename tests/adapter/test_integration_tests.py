"""The package's own integration tests: every worked history, in builds that bring late records.

They run as another project's would: installed from a copy, four builds and a full refresh.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult

from tests.adapter.conftest import PACKAGE
from tests.adapter.worked_seeds import SEEDS, texts

BUILDS = [f"run: {run}" for run in range(1, 5)]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDC_HISTORY_DUCKDB", str(tmp_path / "warehouse.duckdb"))
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
    return Path(shutil.copytree(PACKAGE, tmp_path / "cdc_history", ignore=ignored))


def dbt(package: Path, *arguments: str) -> dbtRunnerResult:
    project = str(package / "integration_tests")
    folders = ["--project-dir", project, "--profiles-dir", project]
    if arguments != ("deps",):
        folders += ["--target-path", f"{project}/target"]
    try:
        return dbtRunner().invoke(["--quiet", "--warn-error", *arguments, *folders])
    finally:
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def failures(result: dbtRunnerResult) -> list[str]:
    assert result.exception is None, result.exception
    return [node.node.name for node in result.result.results if node.status in ("error", "fail")]  # type: ignore[union-attr]


def test_each_build_gives_the_expected_rows(package: Path) -> None:
    assert dbt(package, "deps").success
    for build in BUILDS:
        assert failures(dbt(package, "build", "--vars", build)) == [], build
    assert failures(dbt(package, "build", "--full-refresh", "--vars", BUILDS[-1])) == []


def test_an_error_in_a_macro_is_found(package: Path) -> None:
    file = package / "macros/strategy/stale_reads.sql"
    right = "overtaken_by._cdc_place < snapshot_reads._cdc_place"
    text = file.read_text("utf-8")
    assert right in text
    file.write_text(text.replace(right, "true"), "utf-8")
    assert dbt(package, "deps").success
    assert "history_is_expected" in failures(dbt(package, "build", "--vars", BUILDS[-1]))


def test_the_seeds_are_the_worked_histories() -> None:
    assert {path.stem: path.read_text("utf-8") for path in SEEDS.glob("*.csv")} == texts()
