"""The logs give every record of the corpus the verdict that the corpus demands (DuckDB)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ingestion.declarations import Table
from ingestion.settings import ConnectorName
from tests.kit.corpus.cases import Case, load
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import canonical_text
from tests.kit.warehouse import Warehouse, copy_project

CASES = load()


@dataclass(frozen=True)
class Outcome:
    """A row of a log: the verdict, the typed row and its before image as canonical text."""

    status: str
    reason: str | None
    position: str | None
    is_commit_known: bool | None
    raw: bytes | None
    row: dict[str, str | None]
    before: dict[str, str | None]
    has_before: bool
    unknown_columns: str | None
    lacks: str | None
    before_lacks: str | None


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What the logs made of each case, by the case's name."""
    project = copy_project(tmp_path_factory.mktemp("project"), {"retail": 1})
    return {
        name: outcome
        for connector in ("postgresql", "sqlserver")
        for name, outcome in build(connector, project, tmp_path_factory.mktemp(connector))
    }


def build(connector: ConnectorName, project: Path, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """Land the connector's cases, build the logs and read them."""
    landing = LandingZone(folder / "landing", DECLARATIONS, connector)
    by_table: dict[str, list[Case]] = defaultdict(list)
    for case in CASES:
        if case.connector == connector:
            by_table[case.table].append(case)
    for name, cases in by_table.items():
        landing.land(
            DECLARATIONS.table(name),
            [Delivery(case.key, case.value, partition=0, timestamp_ms=0) for case in cases],
        )
    warehouse = Warehouse(project, landing.root, folder / "warehouse.duckdb", connector)
    warehouse.build("--select", *(f"{name}__log" for name in by_table))
    for name, cases in by_table.items():
        log = read_log(warehouse, DECLARATIONS.table(name))
        assert list(log) == list(range(len(cases)))
        for offset, case in enumerate(cases):
            yield case.name, log[offset]


def read_log(warehouse: Warehouse, table: Table) -> dict[int, Outcome]:
    names = [column.name for column in table.landed_columns]
    before = [f"_before_{name}" for name in names]
    rows = warehouse.rows(
        f"""
        select
            kafka_offset, _cdc_status, _cdc_reject_reason, _cdc_position, _cdc_commit_known,
            kafka_value, _cdc_before_hash is not null, _cdc_unknown_columns,
            _cdc_not_carried, _cdc_before_not_carried,
            {", ".join([*names, *before])}
        from staging.{table.name}__log
        order by kafka_offset
        """
    )
    return {row[0]: outcome(row[1:], table) for row in rows}


def outcome(values: tuple[Any, ...], table: Table) -> Outcome:
    status, reason, position, is_known, raw, has_before, unknown, *others = values
    lacks, before_lacks, *columns = others
    width = len(table.landed_columns)
    return Outcome(
        status=status,
        reason=reason,
        position=position,
        is_commit_known=is_known,
        raw=raw,
        row=canonical(columns[:width], table),
        before=canonical(columns[width:], table),
        has_before=has_before,
        unknown_columns=unknown,
        lacks=lacks,
        before_lacks=before_lacks,
    )


def canonical(values: list[Any], table: Table) -> dict[str, str | None]:
    return {
        column.name: canonical_text(value, column)
        for column, value in zip(table.landed_columns, values, strict=True)
    }


def test_columns_that_are_not_declared_are_named_in_the_log(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["three levels in a column that is not declared"].unknown_columns == "tags"
    assert outcomes["200 brackets inside a text that is not declared"].unknown_columns == "note"
    assert outcomes["key of another row"].unknown_columns is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case, outcomes: dict[str, Outcome]) -> None:
    found = outcomes[case.name]
    assert (found.status, found.reason) == (case.verdict, case.reason)
    if case.verdict == "rejected":
        assert found.raw == case.value
        assert not any(found.row.values())
    elif case.verdict == "accepted":
        check_row(found, case)


def check_row(found: Outcome, case: Case) -> None:
    assert {name: found.row[name] for name in case.row} == case.row
    assert found.lacks == case.lacks or case.lacks is None
    assert found.before_lacks == case.before_lacks or case.before_lacks is None
    if case.before == "unknown":
        assert not found.has_before
        assert not any(found.before.values())
    elif case.before is not None:
        assert found.has_before
        assert {name: found.before[name] for name in case.before} == case.before
    if case.position is not None:
        assert found.position == case.position
    if case.floating is not None:
        assert found.is_commit_known == (not case.floating)
