"""The package's own integration tests: every worked history, in builds that bring late records.

They run as another project's would: installed from a copy, four builds and a full refresh.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner

from redshift_standin.server import StandIn
from tests.adapter.conftest import PACKAGE
from tests.adapter.worked_seeds import SEEDS, texts
from tests.kit.dbt import Dbt, explain


@pytest.fixture
def package(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
    return Path(shutil.copytree(PACKAGE, tmp_path / "cdc_history", ignore=ignored))


def installed(package: Path, target: str, settings: Mapping[str, str]) -> Dbt:
    project = package / "integration_tests"
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    done = dbtRunner().invoke(["--quiet", "deps", *folders])
    assert done.success, done.exception
    return Dbt(project, package / "dbt", settings, target)


def build_all(dbt: Dbt) -> None:
    dbt.run("seed", "--warn-error")
    for run in range(1, 5):
        # not the seeds: dbt would empty them, which on Redshift commits
        new = ("--exclude-resource-type", "seed", "--vars", f"run: {run}")
        dbt.run("build", "--warn-error", *new)
    dbt.run("build", "--warn-error", "--full-refresh", "--vars", "run: 4")


def on_duckdb(package: Path) -> Dbt:
    return installed(package, "duckdb", {"CDC_HISTORY_DUCKDB": str(package / "warehouse.duckdb")})


def test_each_build_gives_the_expected_rows(package: Path) -> None:
    build_all(on_duckdb(package))


@pytest.mark.long
def test_each_build_gives_them_on_redshift(package: Path, stand_in: StandIn) -> None:
    settings = {
        "HOST": "127.0.0.1",
        "PORT": str(stand_in.port),
        "DATABASE": stand_in.database,
        "USER": stand_in.user,
        "PASSWORD": stand_in.password,
        "SSLMODE": "disable",
    }
    prefixed = {f"CDC_HISTORY_REDSHIFT_{name}": value for name, value in settings.items()}
    build_all(installed(package, "redshift", prefixed))


def test_an_error_in_a_macro_is_found(package: Path) -> None:
    file = package / "macros/strategy/settled_changes.sql"
    right = "overtaken_by._cdc_step < snapshot_read._cdc_step"
    text = file.read_text("utf-8")
    assert right in text
    file.write_text(text.replace(right, "true"), "utf-8")
    built = on_duckdb(package).invoke("build", "--vars", "run: 4")
    assert "history_is_expected" in explain(built)


def test_the_seeds_are_the_worked_histories() -> None:
    assert {path.stem: path.read_text("utf-8") for path in SEEDS.glob("*.csv")} == texts()
