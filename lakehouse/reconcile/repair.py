"""Deletes that no event told of: rows that the warehouse still has and the source has no longer.

A row that was deleted while the connector was down, longer than the source kept its log, leaves no
event; a new snapshot does not mention it either. Here the delete is written as the record that the
connector would have written, to the table's own topic, so that it takes every path that changes
take and survives a rebuild.

Where it stands: directly behind the last version that the warehouse knows, closer than any change
of the source can. So whatever the source does to the row later comes after it. Its commit time is
the time of the repair, because the true one is lost; so are changes between the two.

An absence stands where the reads of the snapshot do that did not find the row, and has their time
(docs/semantics.md, rule 2b).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.case_folding import compared_key, with_folded_key
from lakehouse.dbt_files import staging_view
from lakehouse.kafka.produce import Record
from lakehouse.reconcile.findings import LostDelete
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.star import MARTS
from lakehouse.source.envelopes import Event, key_bytes, value_bytes
from lakehouse.source.positions import Place, Position

if TYPE_CHECKING:
    import duckdb

HEADER = "lakehouse.repair"
"""Marks the record; holds the time of the repair."""


def lost_deletes(connection: duckdb.DuckDBPyConnection, scope: Scope) -> tuple[LostDelete, ...]:
    """The rows of the table that the warehouse shows as current and the source lacks.

    What shows them is the history, or the mart that holds the table's rows, which no tenant has;
    their values and place are those of the last change. See `load_rows` for the source's side.
    """
    table = scope.table
    names = [column.name for column in table.landed_columns]
    keys, spelled = ", ".join(compared_key(table)), ", ".join(table.primary_key)
    shown = [
        f"marts.{mart.name} where not is_deleted"
        for mart in MARTS
        if mart.table == table.name and not scope.tenant
    ]
    if table.history == "all":
        shown = [
            f"history.{table.name}_history"
            f" where dbt_valid_to is null and not is_deleted and {scope.mine}"
        ]
    if not shown:
        return ()
    found = connection.execute(
        f"""
        select distinct on ({keys}) {", ".join(names)}, _cdc_position
        from staging.{staging_view(table)}
        semi join (
            select {with_folded_key(table)} from (select {spelled} from {shown[0]})
        ) using ({keys})
        anti join (
            select {with_folded_key(table)}
            from (select {spelled} from {table.name} where not is_deleted)
        ) using ({keys})
        where {scope.mine}
        order by {keys}, _cdc_position desc
        """
    ).fetchall()
    return tuple(
        LostDelete(table, dict(zip(names, values, strict=True)), position)
        for *values, position in found
    )


def delete_records(
    declarations: Declarations,
    connector: ConnectorName,
    deletes: Iterable[LostDelete],
    now: datetime,
) -> list[Record]:
    """The delete and the tombstone of each row, as `connector` would have written them.

    Raises:
        TerminalError: a row belongs to a topic prefix that is no longer declared.
    """
    placed = (
        (lost, Position.parse(connector, lost.position).place.behind(), now) for lost in deletes
    )
    return _records(declarations, connector, placed, now)


def absence_records(
    declarations: Declarations,
    connector: ConnectorName,
    absences: Iterable[LostDelete],
    read_at: datetime,
    now: datetime,
) -> list[Record]:
    """The delete and the tombstone of each row that a snapshot, which read at `read_at`, lacks.

    Raises:
        TerminalError: a row belongs to a topic prefix that is no longer declared.
    """
    placed = ((lost, Position.parse(connector, lost.position).place, read_at) for lost in absences)
    return _records(declarations, connector, placed, now)


def _records(
    declarations: Declarations,
    connector: ConnectorName,
    placed: Iterable[tuple[LostDelete, Place, datetime]],
    now: datetime,
) -> list[Record]:
    headers = ((HEADER, now.isoformat().encode()),)
    prefixes = {number: name for name, number in declarations.connectors[connector].epochs.items()}
    records = []
    for lost, place, committed_at in placed:
        table, last = lost.table, Position.parse(connector, lost.position)
        if last.epoch not in prefixes:
            raise TerminalError(
                f"table {table.name}: no topic prefix is declared for epoch {last.epoch}, in "
                f"which {lost.key} changed last; declare it again under `epochs`"
            )
        event = Event(
            op="d",
            place=place,
            committed_ms=round(committed_at.timestamp() * 1000),
            row=None,
            before=lost.row,
            transaction=0,
            version="repair",
        )
        topic, key = table.topics[connector], key_bytes(lost.row, table, connector)
        value = value_bytes(event, table, connector, prefixes[last.epoch])
        records.append(Record(topic, key, value, headers))
        records.append(Record(topic, key, None, headers))
    return records
