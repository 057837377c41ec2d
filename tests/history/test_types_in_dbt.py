"""Values of every type become what docs/types.md says: in the reference model and on DuckDB."""

from __future__ import annotations

from datetime import datetime

import pytest

from ingestion.declarations import CONNECTORS, Column
from ingestion.settings import ConnectorName
from tests.kit.corpus.types import TABLE, Sample, declare, reported_cut, samples
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import Change, Record, Rejected, Source, canonical_text, judge
from tests.kit.warehouse import Warehouse, copy_project

Verdict = tuple[str | None, str | None]
"""The reason of a rejection, or the canonical text of the value."""


def verdict(sample: Sample) -> Verdict:
    return sample.reason, sample.text


def judged(sample: Sample, number: int, columns: tuple[Column, ...], found: object) -> Verdict:
    if isinstance(found, Rejected):
        return found.reason, None
    assert isinstance(found, Change), (number, found)
    names = [column.name for column in columns]
    place = names.index(sample.column)
    return None, canonical_text(found.row[place], columns[place])


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_value_of_every_type(
    connector: ConnectorName, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = copy_project(tmp_path_factory.mktemp("project"), {"retail": 1})
    declarations = declare(project, connector)
    table, told = declarations.table(TABLE), samples(connector)
    columns = table.landed_columns
    expected = {str(sample): verdict(sample) for sample in told}

    records = [
        Record("topic", 0, 0, number, datetime(2026, 3, 1), b"{}", sample.value)
        for number, sample in enumerate(told)
    ]
    by_reference = {
        str(sample): judged(
            sample, number, columns, judge(record, table, Source(connector, {"retail": 1}))
        )
        for number, (sample, record) in enumerate(zip(told, records, strict=True))
    }
    assert by_reference == expected

    folder = tmp_path_factory.mktemp("built")
    landing = LandingZone(folder / "landing", declarations, connector)
    landing.land(table, [Delivery(b"{}", sample.value, 0, 0) for sample in told])
    warehouse = Warehouse(project, landing.root, folder / "warehouse.duckdb", connector)
    warehouse.build("--select", f"{TABLE}__log")
    names = [column.name for column in columns]
    rows = warehouse.rows(
        f"""
        select _cdc_reject_reason, _cdc_replaced_columns, {", ".join(names)}
        from staging.{TABLE}__log
        order by kafka_offset
        """
    )
    by_duckdb = {
        str(sample): (
            row[0],
            canonical_text(row[2 + names.index(sample.column)], table.column(sample.column)),
        )
        for sample, row in zip(told, rows, strict=True)
    }
    assert by_duckdb == expected
    for sample, row in zip(told, rows, strict=True):
        assert reported_cut(row[1], sample) == sample.is_cut, sample
