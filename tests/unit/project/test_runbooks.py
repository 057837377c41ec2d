"""Each line of docs/runbooks is run by a test, or the page says why nothing can run it."""

from __future__ import annotations

import re

import yaml

from tests.kit.runbooks import PAGES, WALKS, of_page
from tests.unit.project.files import ROOT


def test_each_page_has_a_test_that_walks_it() -> None:
    assert set(WALKS) == {page.name for page in PAGES.glob("*.md")}
    for page, tests in WALKS.items():
        assert set(tests) - {""} <= {line.section for line in of_page(page)}
        assert all((ROOT / test).is_file() for test in tests.values())


def test_few_lines_cannot_be_run() -> None:
    lines = [line for page in WALKS for line in of_page(page)]
    marked = [line.text for line in lines if line.reason]
    assert 10 * len(marked) <= len(lines), marked


def test_a_rollback_by_hand_does_what_the_workflow_does() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/rollback.yml").read_text())["jobs"]
    steps = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    wanted = [
        re.sub(r'"| --family operations| \$\{.+?\}| \| tee .+', "", " ".join(step.split()))
        for step in steps
        if "lakehouse.delivery" in step
    ]
    title = "If the workflow itself cannot run"
    assert [
        line.text
        for line in of_page("rollback.md")
        if line.section == title and line.text.startswith("python")
    ] == [step.replace("$RELEASE", "v1.4.0").replace("$ENVIRONMENT", "prod") for step in wanted]
