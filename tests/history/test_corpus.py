"""The reference model gives every record of the corpus the verdict that the corpus demands."""

from __future__ import annotations

from datetime import datetime

import pytest

from ingestion.declarations import Table
from tests.kit.corpus.cases import Case, load
from tests.kit.declared import DECLARATIONS
from tests.kit.reference import (
    Change,
    Record,
    Rejected,
    Row,
    Source,
    Tombstone,
    canonical_text,
    judge,
    listed,
)

CASES = load()
REASONS = {
    "not_utf8",
    "not_json",
    "not_an_envelope",
    "truncate",
    "unknown_op",
    "unknown_source",
    "no_position",
    "no_commit_time",
    "no_row",
    "missing_column",
    "unavailable_value",
    "invalid_value",
    "value_too_long",
    "other_key",
}


def test_corpus_has_a_record_for_every_reason() -> None:
    reasons = {case.reason.split(":")[0] for case in CASES if case.reason}
    assert reasons == REASONS


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def canonical(row: Row, table: Table) -> dict[str, str | None]:
    return {
        column.name: canonical_text(value, column)
        for column, value in zip(table.landed_columns, row, strict=True)
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    table = DECLARATIONS.table(case.table)
    record = Record("topic", 0, 0, 0, datetime(2026, 3, 1), case.key, case.value)
    verdict = judge(record, table, Source(case.connector, {"retail": 1}))
    if case.verdict == "tombstone":
        assert verdict == Tombstone()
    elif case.verdict == "rejected":
        assert verdict == Rejected(str(case.reason))
    else:
        assert isinstance(verdict, Change), verdict
        check_change(verdict, case, table)


def check_change(change: Change, case: Case, table: Table) -> None:
    row = canonical(change.row, table)
    assert {name: row[name] for name in case.row} == case.row
    if case.before == "unknown":
        assert change.before is None
    elif case.before is not None:
        assert change.before is not None
        before = canonical(change.before, table)
        assert {name: before[name] for name in case.before} == case.before
    if case.lacks is not None:
        assert listed(change.lacks, table) == case.lacks
    if case.before_lacks is not None:
        assert listed(change.before_lacks, table) == case.before_lacks
    if case.position is not None:
        assert change.position == case.position
    if case.floating is not None:
        assert change.is_floating == case.floating
