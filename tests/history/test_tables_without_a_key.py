"""A table without a key has a log of its changes: each once, however often it was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from ingestion.declarations import CONNECTORS
from ingestion.settings import ConnectorName
from lakehouse.source.envelopes import Event, Row, value_bytes
from lakehouse.source.positions import PostgresPlace, SqlServerPlace
from tests.kit.declared import redeclare
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import Record, Rejected, Source, judge
from tests.kit.warehouse import Warehouse, copy_project

TABLE, VIEW = "product_categories", "stg_retail__product_categories"
FIRST: Row = {
    "category_id": 1,
    "name": "one",
    "parent_category_id": None,
    "updated_at": datetime(2026, 3, 1),
}
SECOND: Row = {**FIRST, "name": "two"}


@pytest.mark.parametrize("connector", CONNECTORS)
def test_each_change_once_each_read_for_itself(connector: ConnectorName, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project", {"retail": 1})
    declared = redeclare(project, TABLE, primary_key=[], history="none")
    table = declared.table(TABLE)
    warehouse = Warehouse(project, tmp_path / "landing", tmp_path / "w.duckdb", connector)
    zone = LandingZone(warehouse.landing, declared, connector)
    read, insert = _event(connector, "r", 0, FIRST), _event(connector, "c", 10, FIRST)
    # another row at one place with it
    other = _event(connector, "c", 10, SECOND)
    update = _event(connector, "u", 20, SECOND, FIRST)
    delete = _event(connector, "d", 30, None, SECOND)

    def land(events: Sequence[Event], partition: int = 0, key: bytes | None = None) -> list[Record]:
        values = [value_bytes(event, table, connector, "retail") for event in events]
        return zone.land(table, [Delivery(key, value, partition, 0) for value in values])

    def shown() -> list[tuple[object, ...]]:
        warehouse.build("--select", f"+{VIEW}")
        return warehouse.rows(
            f"select _cdc_op, kafka_partition, kafka_offset, _cdc_run from staging.{VIEW}"
            " order by kafka_partition, kafka_offset"
        )

    records = land([read, read, insert, other, update])
    kept = shown()
    assert [op for op, *_ in kept] == ["r", "r", "c", "c", "u"]

    # a connector goes on behind a place that it has told before; a table with keys is another one
    records += land([insert, other, update, delete], partition=1)
    records += land([delete], partition=2, key=b'{"id": 1}')
    now = shown()
    assert now[: len(kept)] == kept
    assert [op for op, *_ in now[len(kept) :]] == ["d"]

    # the same records again, as `lakehouse landing again` lands them
    read_value = value_bytes(read, table, connector, "retail")
    zone.land(table, [Delivery(None, read_value, 0, 0, incarnation=1)] * 2)
    assert shown() == now

    found = warehouse.rows(
        f"select _cdc_reject_reason from staging.{TABLE}__log where _cdc_incarnation = 0"
        " order by kafka_partition, kafka_offset"
    )
    verdicts = [judge(record, table, Source(connector, {"retail": 1})) for record in records]
    reasons = [each.reason if isinstance(each, Rejected) else None for each in verdicts]
    assert [reason for (reason,) in found] == reasons
    assert reasons == [None] * 9 + ["other_key"]

    # of which a delivery from then on would have other values
    redeclare(project, TABLE, columns={"parent_category_id": {"on_invalid": None}})
    stopped = warehouse.invoke("build", "--select", f"+{VIEW}")
    assert (
        "no key, so values tell its changes apart, and those of column parent_category_id"
        in str(stopped.exception)
    )


def _event(
    connector: ConnectorName, op: str, number: int, row: Row | None, before: Row | None = None
) -> Event:
    place = (
        SqlServerPlace(number + 1, number, 1)
        if connector == "sqlserver"
        else PostgresPlace(number + 1, number + 5, 1)
    )
    return Event(op, place, 1_772_359_200_000 + number, row, before)
