"""A warehouse that dbt built from the audit itself: a faithful one, to spoil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from ingestion.declarations import Table, load
from lakehouse.reconcile.loaded import load_source
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import open_source
from lakehouse.source.envelopes import Event, Row, key_bytes, value_bytes
from lakehouse.source.positions import PostgresPlace
from tests.kit.landing import Delivery, LandingZone
from tests.kit.warehouse import WHOLE_PROJECT, Warehouse, copy_project, parsed_project


def built_warehouse(dsn: str, folder: Path, salt: str, captured_from: int) -> Warehouse:
    """Land what the audit tells as Debezium would have, and build every model from it.

    Audit rows up to the sequence number `captured_from` are what a snapshot read, later ones are
    changes. The way from the audit's text to typed values is the comparison's own; that this way is
    right is shown by tests of `Source.changes` and of the whole pipeline.
    """
    project = copy_project(folder / "project", {"retail": 1}, WHOLE_PROJECT)
    warehouse = parsed_project(project, folder, "postgresql")
    zone = LandingZone(warehouse.landing, load(), "postgresql")
    with open_source(dsn) as source, duckdb.connect() as calculator:
        for table in load().tables:
            load_source(calculator, Scope(table, salt), source.changes(table))
            zone.land(table, _deliveries(calculator, table, captured_from))
    warehouse.build()
    return warehouse


def _deliveries(
    calculator: duckdb.DuckDBPyConnection, table: Table, captured_from: int
) -> list[Delivery]:
    names = [column.name for column in table.landed_columns]
    changes = calculator.execute(
        f"select _sequence, _part, _operation, _committed_ms, {', '.join(names)}"
        " from source_versions order by _sequence, _part"
    ).fetchall()
    state: dict[tuple[Any, ...], Row] = {}
    read_at, reads, events = 0, True, []
    for sequence, part, operation, committed_ms, *values in changes:
        if reads and sequence > captured_from:
            reads = False
            events += [_read(row, captured_from, read_at + 1) for row in state.values()]
        read_at = max(read_at, committed_ms)
        row: Row = dict(zip(names, values, strict=True))
        key = tuple(row[name] for name in table.primary_key)
        before = state.pop(key, None)
        if operation != "d":
            state[key] = row
        place = PostgresPlace(2 * sequence + part, 2 * sequence - 1, 1)
        after = None if operation == "d" else row
        if not reads:
            events.append(Event(operation, place, committed_ms, after, before))
    if reads:
        events += [_read(row, captured_from, read_at + 1) for row in state.values()]
    return [
        Delivery(
            key_bytes(event.row or event.before or {}, table, "postgresql"),
            value_bytes(event, table, "postgresql", "retail"),
            0,
            event.committed_ms,
        )
        for event in events
    ]


def _read(row: Row, captured_from: int, at: int) -> Event:
    return Event("r", PostgresPlace(2 * captured_from), at, row, None, snapshot="true")
