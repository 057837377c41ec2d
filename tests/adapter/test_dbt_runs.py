"""The pytest plugin for tests over several runs of dbt, on the example that is shipped with it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_dbt_runs.cases import CaseError, MismatchError, load
from pytest_dbt_runs.project import Project

PLUGIN = Path(__file__).parents[2] / "packages/cdc_history/pytest_plugin"
EXAMPLE = PLUGIN / "example"
ORDER = {"order_id": 1, "status": "placed", "amount": 5, "updated_at": "2026-03-01 10:00"}
ORDERS = "source('shop', 'orders')"
TOTALS = "ref('order_totals')"


@pytest.fixture(scope="module")
def project() -> Project:
    return Project(EXAMPLE)


def written(path: Path, *batches: dict[str, Any], model: str = "orders_history") -> Path:
    """A file with one case."""
    case = {"name": "a case", "model": model, "batches": batches}
    path.write_text(yaml.safe_dump({"multi_run_tests": [case]}), "utf-8")
    return path


def given(source: str = ORDERS, **what: Any) -> dict[str, Any]:
    return {"given": [{"input": source, **what}]}


def expecting(*rows: dict[str, Any], **batch: Any) -> dict[str, Any]:
    return {**batch, "expect": {"rows": rows}}


def test_pytest_shows_the_version_that_a_snapshot_loses_as_the_readme_says(tmp_path: Path) -> None:
    readme = (PLUGIN / "README.md").read_text("utf-8")
    blocks = dict(re.findall(r"```(yaml|text)\n(.+?)```", readme, re.S))
    project = shutil.copytree(EXAMPLE, tmp_path / "shop")
    (project / "runs/lost.runs.yml").write_text(blocks["yaml"], "utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 3 passed" in run.stdout, run.stdout + run.stderr
    assert blocks["text"] in run.stdout
    assert {path.name for path in project.iterdir()} == {path.name for path in EXAMPLE.iterdir()}


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        pytest.param([{"expects": {}}], "batches.0.expects: Extra inputs", id="unknown word"),
        pytest.param([given(), expecting()], "either rows", id="no rows"),
        pytest.param([given(rows=[], append=[]), expecting()], "or append", id="rows and append"),
        pytest.param([expecting(), given(rows=[])], "batch 1 has to give rows", id="late input"),
        pytest.param([given(append=[]), expecting()], "batch 1 has to give rows", id="only append"),
        pytest.param([{"dbt": " "}], "batches.0.dbt: String should match", id="no command"),
        pytest.param([given(rows=[])], "no batch expects anything", id="nothing expected"),
        pytest.param(
            [expecting({"order_id": 1}, {"status": "PAID"})],
            "rows 1 and 2 do not name the same columns: order_id, status",
            id="rows of different columns",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    batches: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CaseError, match=message):
        load(written(tmp_path / "wrong.runs.yml", *batches))


@pytest.mark.parametrize(
    ("model", "batch", "message"),
    [
        pytest.param("order", given(rows=[ORDER]), r"ref\('order'\) names 0 tables", id="model"),
        pytest.param(
            "orders_history",
            given("shop.orders", rows=[ORDER]),
            r"shop.orders names 0 tables .* has to name one: ref\('model'\)",
            id="input",
        ),
        pytest.param(
            "orders_history",
            {
                "given": [
                    {"input": name, "rows": [ORDER]} for name in (ORDERS, "ref('order_totals')")
                ]
            },
            r"orders_history does not read ref\('order_totals'\)",
            id="input that is not read",
        ),
        pytest.param(
            "orders_history",
            {"given": []},
            r"rows of source\('shop', 'orders'\), which stg_orders reads",
            id="input that is not given",
        ),
        pytest.param("orders_history", given(rows=[]), "so it has no columns", id="no columns"),
        pytest.param(
            "orders_history",
            given(rows=[ORDER], types={"amount": "date"}),
            r"the rows of source\('shop', 'orders'\): Conversion Error",
            id="value of another type",
        ),
    ],
)
def test_a_case_that_does_not_fit_the_project_is_refused(
    model: str, batch: dict[str, Any], message: str, project: Project, tmp_path: Path
) -> None:
    (case,) = load(written(tmp_path / "wrong.runs.yml", expecting(**batch), model=model))
    with pytest.raises(CaseError, match=message):
        project.run(case)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        pytest.param(
            given(rows=[{"order_id": 1}]), "is not built\nstg_orders: .*status", id="dbt fails"
        ),
        pytest.param(given(rows=[ORDER]), "has no column colour; it has order_id", id="no column"),
        pytest.param(
            {**given(rows=[ORDER]), "dbt": "run --select stg_orders"},
            "after `dbt run --select stg_orders`: orders_history cannot be compared",
            id="not built",
        ),
    ],
)
def test_what_a_run_lacks_is_told_by_batch_and_model(
    batch: dict[str, Any], message: str, project: Project, tmp_path: Path
) -> None:
    (case,) = load(written(tmp_path / "wrong.runs.yml", expecting({"colour": 1}, **batch)))
    with pytest.raises(MismatchError, match=f"(?s)^batch 1, .*{message}"):
        project.run(case)


def test_rows_are_counted_and_values_compared_as_their_columns_have_them(
    project: Project, tmp_path: Path
) -> None:
    types = {"status": "varchar", "updated_at": "timestamp"}
    twice = given(rows=[ORDER | {"status": 7}] * 2, types=types)
    rows = [{"amount": "5.0", "status": 7, "updated_at": "2026-03-01T10:00:00"}] * 2
    (right,) = load(written(tmp_path / "right.runs.yml", expecting(*rows, **twice)))
    project.run(right)
    (wrong,) = load(written(tmp_path / "wrong.runs.yml", expecting(rows[0], **twice)))
    with pytest.raises(MismatchError, match="lacks 0 of 1 expected rows and has 1 others"):
        project.run(wrong)
