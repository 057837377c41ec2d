"""Records as Debezium 3.6 writes them, made from what happened to a row.

JSON with schemas disabled, full envelope, `decimal.handling.mode=string`,
`time.precision.mode=isostring`, transaction metadata and tombstones on. The shapes are those of
records of the PostgreSQL connector, and of debezium-connector-sqlserver
(SqlServerSourceInfoStructMaker, TransactionMonitor, RelationalChangeRecordEmitter).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ingestion.declarations import Table
from ingestion.settings import ConnectorName
from lakehouse.source.positions import Place, SqlServerPlace, lsn_text

VERSION = "3.6.1.Final"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Value = None | int | Decimal | str | bool | date | datetime
Row = Mapping[str, Value]
"""Values by declared column name."""
Image = Mapping[str, Any]
"""A row as the record holds it: values by the source's names."""


@dataclass(frozen=True)
class Origin:
    """What the source block says beside the table."""

    place: Place
    at_ms: int
    """Commit time, for reads the time of reading: milliseconds since 1970 (UTC)."""
    snapshot: str | None = None
    """first, first_in_data_collection, true, last_in_data_collection, last or incremental."""
    transaction: int | None = None
    """PostgreSQL's number of the transaction."""
    version: str = VERSION


@dataclass(frozen=True)
class InTransaction:
    """The transaction block of a streamed event."""

    id: str
    total_order: int
    data_collection_order: int


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
    version: str = VERSION


def value_bytes(event: Event, table: Table, connector: ConnectorName, topic_prefix: str) -> bytes:
    """The value of the record that tells of `event`."""
    # PostgreSQL's topics have no database in their names
    *database, schema, name = table.topics[connector].split(".")[1:]
    origin = Origin(
        event.place, event.committed_ms, event.snapshot, event.transaction, event.version
    )
    told = envelope(
        event.op,
        (_image(event.before, table, connector), _image(event.row, table, connector)),
        source(origin, topic_prefix, (".".join(database), schema, name)),
        _in_transaction(event),
        event.committed_ms,
    )
    return encode(told)


def key_bytes(row: Row, table: Table, connector: ConnectorName) -> bytes:
    """The key of the records about `row`: its primary key under the source's names."""
    columns = [table.column(name) for name in table.primary_key]
    return encode({c.source_name(connector): delivered(row[c.name]) for c in columns})


def envelope(
    op: str,
    images: tuple[Image | None, Image | None],
    source: Mapping[str, Any],
    transaction: InTransaction | None,
    processed_ms: int,
) -> dict[str, Any]:
    """The value of a record; `images` are the row before and after."""
    return {
        "before": images[0],
        "after": images[1],
        "source": source,
        "transaction": None if transaction is None else vars(transaction),
        "op": op,
        **_clock(processed_ms),
    }


def source(origin: Origin, topic_prefix: str, table: tuple[str, str, str]) -> dict[str, Any]:
    """The source block, its fields in the connector's order; `table` is database, schema, name."""
    place, times = origin.place, _clock(origin.at_ms)
    database, schema, name = table
    in_sqlserver = isinstance(place, SqlServerPlace)
    block = {
        "version": origin.version,
        "connector": "sqlserver" if in_sqlserver else "postgresql",
        "name": topic_prefix,
        "ts_ms": times.pop("ts_ms"),
        "snapshot": origin.snapshot,
        "db": database,
        "sequence": None,
        **times,
        "schema": schema,
        "table": name,
    }
    if isinstance(place, SqlServerPlace):
        return block | {
            "change_lsn": None if place.change is None else lsn_text(place.change),
            "commit_lsn": lsn_text(place.commit),
            "event_serial_no": place.serial,
        }
    before = None if place.commit_before is None else str(place.commit_before)
    return block | {
        "sequence": _JSON.encode([before, str(place.lsn)]),
        "txId": origin.transaction,
        "lsn": place.lsn,
        "xmin": None,
        "origin": None,
        "origin_lsn": None,
    }


def delivered(value: Value) -> Any:
    """A value as the connectors write it into JSON: decimals as text, isostring times."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):  # datetime is one, too
        return f"{value.isoformat()}Z"
    return value


def encode(document: object) -> bytes:
    """JSON as Kafka Connect's JsonConverter writes it: compact, UTF-8."""
    return _JSON.encode(document).encode()


def _image(row: Row | None, table: Table, connector: ConnectorName) -> Image | None:
    """The landed columns of `row`, those that it has."""
    if row is None:
        return None
    return {
        c.source_name(connector): delivered(row[c.name])
        for c in table.landed_columns
        if c.name in row
    }


def _in_transaction(event: Event) -> InTransaction | None:
    place = event.place
    if event.op == "r":
        return None
    if isinstance(place, SqlServerPlace):
        order = place.serial or 1
        return InTransaction(lsn_text(place.commit), order, order)
    if place.order is None:
        return None
    return InTransaction(f"{event.transaction}:{place.lsn}", place.order, place.order)


def _clock(at_ms: int) -> dict[str, int]:
    """A time in the three precisions of Debezium."""
    return {"ts_ms": at_ms, "ts_us": at_ms * 1_000, "ts_ns": at_ms * 1_000_000}
