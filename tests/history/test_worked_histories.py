"""Every worked history of docs/semantics.md holds in the reference model and in the snapshots."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pytest_dbt_runs.project import Project

from ingestion.declarations import Table
from tests.history.cases import case_of, not_carried
from tests.kit import reference
from tests.kit.declared import DECLARATIONS
from tests.kit.reference import Change
from tests.kit.worked import WorkedHistory, load, moment

HISTORIES = load(DECLARATIONS)


def accepted(worked: WorkedHistory, folder: Path) -> list[Change]:
    return [change for changes in worked.changes_by_run(folder) for change in changes]


def tracked(row: reference.Row, table: Table) -> dict[str, reference.Value]:
    """The key and the tracked columns of a row: what a dimension's version shows."""
    names = (*table.primary_key, *table.tracked_columns)
    columns = table.landed_columns
    return {c.name: v for c, v in zip(columns, row, strict=True) if c.name in names}


def ids(worked: WorkedHistory) -> str:
    return f"{worked.number:02d} {worked.title}"


def showing(table: str) -> pytest.MarkDecorator:
    """Runs a test for each worked history that shows `table`."""
    shown = [worked for worked in HISTORIES if getattr(worked, table)]
    return pytest.mark.parametrize("worked", shown, ids=ids)


def test_they_are_numbered_without_a_gap() -> None:
    assert [worked.number for worked in HISTORIES] == list(range(1, len(HISTORIES) + 1))
    assert len(HISTORIES) >= 20


def test_each_shows_a_history_unless_its_table_keeps_none() -> None:
    for worked in HISTORIES:
        assert bool(worked.history) == (worked.table.history == "all"), ids(worked)


@showing("history")
def test_history_is_as_the_page_says(worked: WorkedHistory, tmp_path: Path) -> None:
    actual = [
        (
            row.key,
            row.op,
            row.position,
            row.order,
            row.valid_from,
            row.valid_to,
            row.row,
            reference.listed(row.not_carried, worked.table),
        )
        for rows in reference.history(accepted(worked, tmp_path)).values()
        for row in rows
    ]
    expected = [
        (
            worked.key(row["key"]),
            row["op"],
            worked.position(row["position"]),
            worked.position(row.get("order", row["position"])),
            moment(row["valid from"]),
            moment(row["valid to"]),
            worked.values(row["row"], worked.key(row["key"])),
            not_carried(row),
        )
        for row in worked.history
    ]
    assert sorted(actual, key=str) == sorted(expected, key=str)


@pytest.fixture(scope="module")
def cases(project: Path) -> Project:
    return Project(project)


@showing("history")
def test_the_snapshot_is_as_the_page_says_after_the_runs_of_the_log(
    worked: WorkedHistory, cases: Project, tmp_path: Path
) -> None:
    cases.run(case_of(worked, tmp_path))


@showing("dimension")
def test_dimension_is_as_the_page_says(worked: WorkedHistory, tmp_path: Path) -> None:
    actual = [
        (
            version.position,
            version.valid_from,
            version.valid_to,
            tracked(version.row, worked.table),
        )
        for rows in reference.history(accepted(worked, tmp_path)).values()
        for version in reference.collapse(rows, worked.table)
    ]
    expected = [
        (
            worked.position(row["position"]),
            moment(row["valid from"]),
            moment(row["valid to"]),
            tracked(worked.values(row["row"], worked.key(row["key"])), worked.table),
        )
        for row in worked.dimension
    ]
    assert sorted(actual, key=str) == sorted(expected, key=str)


@showing("current")
def test_current_state_is_as_the_page_says(worked: WorkedHistory, tmp_path: Path) -> None:
    changes = accepted(worked, tmp_path)
    actual = reference.current_rows(changes, worked.table)
    expected = {
        reference.compared_key(key, worked.table): reference.CurrentRow(
            worked.values(row["row"], key), row["is deleted"] == "yes"
        )
        for row in worked.current
        for key in [worked.key(row["key"])]
    }
    assert actual == expected


@showing("facts")
def test_facts_belong_to_what_the_page_says(worked: WorkedHistory, tmp_path: Path) -> None:
    dimension = {
        key: reference.collapse(rows, worked.table)
        for key, rows in reference.history(accepted(worked, tmp_path)).items()
    }
    for fact in worked.facts:
        key = worked.key(fact["key"]) if fact["key"] else None
        member = reference.bind(key, _fact_time(fact["at"]), dimension)
        if isinstance(member, str):
            assert member == fact["belongs to"]
        else:
            assert member.position == worked.position(fact["belongs to"])


def _fact_time(cell: str) -> datetime:
    whole, _, fraction = cell.partition(".")
    at = moment(whole)
    assert at is not None
    return at + timedelta(microseconds=int(fraction.ljust(6, "0")[:6] or 0))
