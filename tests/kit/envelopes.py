"""Change records as Debezium 3.6 writes them, made from what happened to a row.

JSON with schemas disabled, full envelope, `decimal.handling.mode=string`,
`time.precision.mode=isostring`, transaction metadata and tombstones on. The shapes are those of
records of the PostgreSQL connector and of the `source` block that the SQL Server connector builds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ingestion.declarations import Column, Table
from ingestion.settings import ConnectorName

Value = None | int | Decimal | str | bool | date | datetime
Row = Mapping[str, Value]
"""Values by declared column name."""

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, order=True)
class SqlServerPlace:
    """Place of a change in SQL Server's log. `change` and `serial` are None for a snapshot read."""

    commit: int
    change: int | None = None
    serial: int | None = None


@dataclass(frozen=True, order=True)
class PostgresPlace:
    """Place of a change in PostgreSQL's log.

    `commit_before` is the LSN of the last commit that the connector saw, None until it has seen
    one; `order` the change's number in its transaction, None for a snapshot read.
    """

    lsn: int
    commit_before: int | None = None
    order: int | None = None


Place = SqlServerPlace | PostgresPlace


@dataclass(frozen=True)
class Event:
    """One change of one row.

    `row` is the row after the change (None for a delete), `before` the row before it (None where
    there is none or the connector does not tell), `snapshot` Debezium's marker of reads.
    """

    op: str
    place: Place
    committed_ms: int
    row: Row | None
    before: Row | None
    snapshot: str = "false"
    transaction: int = 1


def lsn_text(number: int) -> str:
    """A log sequence number of SQL Server as Debezium spells it, `xxxxxxxx:xxxxxxxx:xxxx`."""
    return f"{number >> 48 & 0xFFFFFFFF:08x}:{number >> 16 & 0xFFFFFFFF:08x}:{number & 0xFFFF:04x}"


def json_value(value: Value) -> Any:
    """A value as the connectors write it into JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='microseconds')}Z"
    return f"{value.isoformat()}Z"


def image(row: Row, table: Table, connector: ConnectorName) -> dict[str, Any]:
    """A row image: the landed columns under the names that the source gives them."""
    return {
        column.source_name(connector): json_value(row[column.name])
        for column in table.landed_columns
    }


def envelope(
    event: Event, table: Table, connector: ConnectorName, topic_prefix: str
) -> dict[str, Any]:
    """The value of the record that tells of `event`."""
    return {
        "before": None if event.before is None else image(event.before, table, connector),
        "after": None if event.row is None else image(event.row, table, connector),
        "source": _source(event, table, connector, topic_prefix),
        "transaction": _transaction(event),
        "op": event.op,
        "ts_ms": event.committed_ms + 350,
        "ts_us": (event.committed_ms + 350) * 1000,
        "ts_ns": (event.committed_ms + 350) * 1_000_000,
    }


def _source(
    event: Event, table: Table, connector: ConnectorName, topic_prefix: str
) -> dict[str, Any]:
    database, schema, name = ["shop", *table.topics[connector].split(".")[1:]][-3:]
    common = {
        "version": "3.6.1.Final",
        "connector": connector,
        "name": topic_prefix,
        "ts_ms": event.committed_ms,
        "snapshot": event.snapshot,
        "db": database,
    }
    times = {
        "ts_us": event.committed_ms * 1000,
        "ts_ns": event.committed_ms * 1_000_000,
        "schema": schema,
        "table": name,
    }
    place = event.place
    if isinstance(place, SqlServerPlace):
        return {
            **common,
            "sequence": None,
            **times,
            "change_lsn": None if place.change is None else lsn_text(place.change),
            "commit_lsn": lsn_text(place.commit),
            "event_serial_no": place.serial,
        }
    before = None if place.commit_before is None else str(place.commit_before)
    return {
        **common,
        "sequence": json.dumps([before, str(place.lsn)], separators=(",", ":")),
        **times,
        "txId": event.transaction,
        "lsn": place.lsn,
        "xmin": None,
        "origin": None,
        "origin_lsn": None,
    }


def _transaction(event: Event) -> dict[str, Any] | None:
    place = event.place
    if event.op == "r":
        return None
    if isinstance(place, SqlServerPlace):
        order = place.serial or 1
        return {
            "id": lsn_text(place.commit),
            "total_order": order,
            "data_collection_order": order,
        }
    if place.order is None:
        return None
    return {
        "id": f"{event.transaction}:{place.lsn}",
        "total_order": place.order,
        "data_collection_order": place.order,
    }


def to_bytes(document: Any) -> bytes:
    """JSON as Kafka Connect's converter writes it: no blanks, no escapes that are not needed."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def value_bytes(event: Event, table: Table, connector: ConnectorName, topic_prefix: str) -> bytes:
    """The value of the record that tells of `event`, as bytes."""
    return to_bytes(envelope(event, table, connector, topic_prefix))


def key_bytes(row: Row, table: Table, connector: ConnectorName) -> bytes:
    """The key of the records about `row`: its primary key under the source's names."""
    columns: list[Column] = [table.column(name) for name in table.primary_key]
    return to_bytes(
        {column.source_name(connector): json_value(row[column.name]) for column in columns}
    )


def headers(
    connector: ConnectorName,
    topic_prefix: str,
    *,
    new_key: bytes | None = None,
    old_key: bytes | None = None,
) -> Headers:
    """The connector's context headers; a key update names the other key (`__debezium.newkey`)."""
    other: Headers = ()
    if new_key is not None:
        other = (("__debezium.newkey", new_key),)
    elif old_key is not None:
        other = (("__debezium.oldkey", old_key),)
    return (
        *other,
        ("__debezium.context.connectorLogicalName", topic_prefix.encode()),
        ("__debezium.context.taskId", b"0"),
        ("__debezium.context.connectorName", connector.encode()),
    )
