"""The nightly workflow: what it runs, and how a failure reaches somebody."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.infra.workflows.runner import (
    WORKFLOWS,
    Action,
    Job,
    StepFailedError,
    base_environment,
    load,
)

NOTHING: dict[str, Action] = defaultdict(lambda: lambda *_: None)
# The part of `gh` that the workflow calls: it keeps issues in files, and notes what it was asked.
GH = """#!/bin/sh
[ -n "$GH_TOKEN" ] || exit 4
echo "$@" >> ../asked
case "$2" in
    list) [ ! -e ../issue ] || echo 7 ;;
    create) touch ../issue ;;
    comment) [ "$3" = 7 ] ;;
esac
"""


def told(folder: Path, result: str, drift: str = "success", drill: str = "success") -> str:
    """What `gh` is asked to write when the proofs, the plans and the drill end so."""
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o755)
    (folder / "asked").unlink(missing_ok=True)
    contexts = {
        "always": lambda: True,
        "needs": {
            "test-long": {"result": result},
            "restore-drill": {"result": drill},
            "drift": {"result": drift},
        },
        "github": {
            "token": "t",
            "server_url": "https://github.com",
            "repository": "shop/lakehouse",
            "run_id": "12",
        },
    }
    environment = {
        **base_environment(folder, Path(sys.executable).parent),
        "GITHUB_REPOSITORY": "shop/lakehouse",
    }
    Job("nightly", "tell", contexts, workspace, environment, {}).run()
    return (folder / "asked").read_text()


def test_the_long_proofs_run_each_night() -> None:
    nightly = load("nightly")
    [schedule] = nightly["on"]["schedule"]
    _, hour, *days = schedule["cron"].split()
    assert int(hour) < 5
    assert days == ["*", "*", "*"]
    runs = [step.get("run") for step in nightly["jobs"]["test-long"]["steps"]]
    assert "make test-long" in runs


# It notes what it is asked to make, and fails where there is a file `fails`.
MAKE = """#!/bin/sh
echo "$@" > asked
! [ -e fails ]
"""


def test_how_long_the_restore_drill_took_is_recorded(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "make").write_text(MAKE)
    (tmp_path / "make").chmod(0o755)
    job = Job("nightly", "restore-drill", {}, workspace, base_environment(tmp_path), NOTHING)

    summary = job.run().summary

    assert summary.startswith("An empty warehouse was right again after ")
    _, _, asked = (workspace / "asked").read_text().strip().partition("TESTS=")
    assert (WORKFLOWS.parents[1] / asked).is_file()
    (workspace / "fails").touch()
    again = Job("nightly", "restore-drill", {}, workspace, base_environment(tmp_path), NOTHING)
    with pytest.raises(StepFailedError):
        again.run()
    assert again.summary == ""


@pytest.mark.parametrize(
    ("result", "drift", "drill"),
    [
        ("failure", "success", "success"),
        ("cancelled", "success", "success"),
        ("success", "failure", "success"),
        ("success", "success", "failure"),
    ],
)
def test_a_night_without_proof_becomes_one_issue(
    tmp_path: Path, result: str, drift: str, drill: str
) -> None:
    run = (
        f"test-long: {result}, restore drill: {drill}, drift: {drift},"
        " https://github.com/shop/lakehouse/actions/runs/12"
    )
    first = told(tmp_path, result, drift, drill).splitlines()
    assert first[-1].startswith("issue create") and first[-1].endswith(f"--body {run}")
    again = told(tmp_path, result, drift, drill).splitlines()
    assert again[-1].startswith("issue comment 7") and run in again[-1]


def test_a_good_night_tells_nobody(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError, match="its `if` does not hold"):
        told(tmp_path, "success")


def test_a_plan_that_hangs_fails_before_its_job_is_cancelled() -> None:
    """`failure()` does not hold in a job that is."""
    drift = load("nightly")["jobs"]["drift"]
    [plan] = [step for step in drift["steps"] if step.get("name", "").startswith("Plan")]
    assert plan["timeout-minutes"] < drift["timeout-minutes"]
