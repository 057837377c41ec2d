"""Each line of docs/runbooks is run by a test, or the page says why nothing can run it."""

from __future__ import annotations

from tests.kit.runbooks import PAGES, UNWALKED, WALKS, of_page
from tests.unit.project.files import ROOT


def test_each_page_has_a_test_that_walks_it() -> None:
    assert set(WALKS) == {page.name for page in PAGES.glob("*.md")}
    assert {(page, line.section) for page in WALKS for line in of_page(page)} >= UNWALKED
    for page, tests in WALKS.items():
        assert set(tests) - {""} <= {line.section for line in of_page(page)}
        assert all((ROOT / test).is_file() for test in tests.values())


def test_few_lines_cannot_be_run() -> None:
    lines = [line for page in WALKS for line in of_page(page)]
    marked = [line.text for line in lines if line.reason]
    assert 10 * len(marked) <= len(lines), marked
