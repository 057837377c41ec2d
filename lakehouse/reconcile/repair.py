"""Deletes that no event told of: rows that the warehouse still has and the source has no longer.

A row that was deleted while the connector was down, longer than the source kept its log, leaves no
event; a new snapshot does not mention it either. Here the delete is written as the record that the
connector would have written, to the table's own topic, so that it takes every path that changes
take and survives a rebuild.

Where it stands: directly behind the last version that the warehouse knows, closer than any change
of the source can. So whatever the source does to the row later comes after it. Its commit time is
the time of the repair, because the true one is lost; so are changes between the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ingestion.declarations import Declarations, Table
from ingestion.errors import TerminalError
from ingestion.kafka.produce import Record
from ingestion.settings import ConnectorName
from lakehouse.reconcile.findings import LostDelete
from lakehouse.reconcile.star import MARTS
from lakehouse.source.connectors import source_table

if TYPE_CHECKING:
    import duckdb

HEADER = "lakehouse.repair"
"""Marks the record; holds the time of the repair."""


def lost_deletes(connection: duckdb.DuckDBPyConnection, table: Table) -> tuple[LostDelete, ...]:
    """The rows of `table` that the warehouse shows as current and the source lacks.

    What shows them is the history, or the mart that holds the table's rows; their values and place
    are those of the last change. See `star.load_rows` for the source's side.
    """
    names = [column.name for column in table.landed_columns]
    keys = ", ".join(table.primary_key)
    shown = [
        f"marts.{mart.name} where not is_deleted" for mart in MARTS if mart.table == table.name
    ]
    if table.history == "all":
        shown = [f"history.{table.name}_history where dbt_valid_to is null and not is_deleted"]
    if not shown:
        return ()
    found = connection.execute(
        f"""
        select distinct on ({keys}) {", ".join(names)}, _cdc_position
        from staging.stg_retail__{table.name}
        semi join (select {keys} from {shown[0]}) using ({keys})
        anti join (select {keys} from {table.name} where not is_deleted) using ({keys})
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
    headers = ((HEADER, now.isoformat().encode()),)
    records = []
    for lost in deletes:
        table = lost.table
        names = {column.name: column.source_name(connector) for column in table.landed_columns}
        before = {names[name]: _as_delivered(value) for name, value in lost.row.items()}
        key = {names[name]: before[names[name]] for name in table.primary_key}
        event = {
            "before": before,
            "after": None,
            "op": "d",
            "ts_ms": _milliseconds(now),
            **_origin(declarations, connector, lost, now),
        }
        topic = table.topics[connector]
        records.append(Record(topic, _encode(key), _encode(event), headers))
        records.append(Record(topic, _encode(key), None, headers))
    return records


def _origin(
    declarations: Declarations, connector: ConnectorName, lost: LostDelete, now: datetime
) -> dict[str, Any]:
    """`source` and `transaction` of the event: the place behind `lost.position`."""
    epoch, *place = lost.position.split(":")
    prefixes = {number: name for name, number in declarations.connectors[connector].epochs.items()}
    if int(epoch) not in prefixes:
        raise TerminalError(
            f"table {lost.table.name}: no topic prefix is declared for epoch {int(epoch)}, in "
            f"which {lost.key} changed last; declare it again under `epochs`"
        )
    where = source_table(declarations, lost.table, connector)
    source = {
        "version": "repair",
        "connector": connector,
        "name": prefixes[int(epoch)],
        "ts_ms": _milliseconds(now),
        "snapshot": "false",
        "db": where.database,
        "schema": where.schema,
        "table": where.name,
    }
    if connector == "sqlserver":
        serial = int(place[-1], 16) + 1
        source |= {
            "commit_lsn": ":".join(place[:3]),
            "change_lsn": ":".join(place[3:6]),
            "event_serial_no": serial,
        }
        return {"source": source, "transaction": None}
    commit, change, order = (int(part, 16) for part in place)
    # A read has no place of its own (zeros); every change of the transaction after it has one.
    behind = (change, order + 1) if change else (1, 0)
    source |= {"sequence": json.dumps([str(commit), str(behind[0])]), "lsn": behind[0]}
    transaction = {"id": "repair", "total_order": behind[1], "data_collection_order": behind[1]}
    return {"source": source, "transaction": transaction}


def _as_delivered(value: Any) -> Any:
    """A value as Debezium delivers it: decimals as text, isostring times."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):  # datetime is one, too
        return f"{value.isoformat()}Z"
    return value


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
