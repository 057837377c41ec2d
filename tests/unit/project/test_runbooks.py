"""Each line of docs/runbooks is run by a test, or the page says why nothing can run it."""

from __future__ import annotations

from tests.kit.command_lines import Line
from tests.kit.runbooks import PAGES, WALKS, of_page
from tests.unit.project.files import ROOT

# Sections that no test walks yet; whoever walks one takes it out.
UNWALKED = {
    "deployment.md": {
        "7. Data in a mart",
        "8. What only AWS can show",
        "Changing over from Debezium's own mask",
        "If partitioned tables refuse VARBYTE",
    },
    "operations.md": {
        "A break was reported",
        "A build stops",
        "A column is called like ours",
        "A range was committed without its records",
        "Add a tenant",
        "Against the source itself",
        "Alarms",
        "Changing the source",
        "Long values that were taken for tombstones",
        "Personal data got through",
        "Production builds",
        "Records in quarantine",
        "Rows that ended without an event",
        "The source's columns have changed",
        "Who is at work, and who waits",
        "archive-overdue",
        "broker-disk",
        "connector-down",
        "dbt's own flags",
        "dbt-failed",
        "job-failed",
        "landing-lag",
        "lost-records",
        "streaming-view-stale",
        "streaming-view-stopped",
        "task-failed",
        "warehouse-down",
    },
    "redshift_streaming_view.md": {
        "A view of an earlier release",
        "Runbook: a streaming view is stale or failed",
    },
    "restore_drill.md": {
        "Drill A: the warehouse is gone (2 hours)",
        "Drill B: landed files are gone (1 hour)",
        "Drill C: a topic is gone (1 hour)",
    },
    "rollback.md": {
        "Rollback: an environment back to an earlier release",
        "What is undone, and what is not",
    },
}
LINES = [(page.name, line) for page in sorted(PAGES.glob("*.md")) for line in of_page(page.name)]


def walked(page: str, line: Line) -> bool:
    return line.section in WALKS.get(page, ())


def test_each_section_with_a_line_is_walked_or_known_to_be_not() -> None:
    found: dict[str, set[str]] = {}
    for page, line in LINES:
        if not line.reason and not walked(page, line):
            found.setdefault(page, set()).add(line.section)
    assert found == UNWALKED
    for page, sections in WALKS.items():
        assert set(sections) <= {line.section for of, line in LINES if of == page}
        assert all((ROOT / test).is_file() for test in sections.values())


def test_few_lines_cannot_be_run() -> None:
    marked = [(page, line.text) for page, line in LINES if line.reason]
    assert 10 * len(marked) <= len(LINES), marked
