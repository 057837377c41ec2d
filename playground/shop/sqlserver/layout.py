"""How the SQL Server connector lays out the shop's records: rows, transactions, structures.

With the settings of infra/connectors/sqlserver.json: personal columns hashed, nulls not replaced by
defaults (so that `source.snapshot` is null for streamed events). Everything here is a function of
values; the envelope itself is that of `lakehouse.source.envelopes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ingestion.declarations import Column, Declarations, Table
from ingestion.settings import ConnectorName
from lakehouse.kafka.produce import Record
from lakehouse.source.connectors import source_table
from lakehouse.source.envelopes import (
    InTransaction,
    Origin,
    encode,
    envelope,
    source,
)

Image = Mapping[str, Any]
"""A row as the audit holds it: declared names, JSON values, decimals as text."""
Operation = str
"""r, c, u or d."""

CONNECTOR: ConnectorName = "sqlserver"


class TableLayout:
    """The records of one declared table."""

    def __init__(self, declarations: Declarations, table: Table, salt: str) -> None:
        place = source_table(declarations, table, CONNECTOR)
        self.table = table
        self.topic = table.topics[CONNECTOR]
        self.database, self.schema, self.name = place.database, place.schema, place.name
        self._prefix = declarations.connectors[CONNECTOR].topic_prefix
        self._columns = [
            (column.name, column.source_name(CONNECTOR), _converter(column, salt))
            for column in table.landed_columns
        ]
        by_name = {entry[0]: entry for entry in self._columns}
        self._key = [by_name[name] for name in table.primary_key]

    @property
    def data_collection(self) -> str:
        """The table's name in transaction metadata."""
        return f"{self.database}.{self.schema}.{self.name}"

    def key(self, image: Image) -> dict[str, Any]:
        """The record's key."""
        return {source: convert(image[name]) for name, source, convert in self._key}

    def event(
        self,
        operation: Operation,
        images: tuple[Image | None, Image | None],
        origin: Origin,
        transaction: InTransaction | None,
        processed_ms: int,
    ) -> bytes:
        """The envelope; `images` are the row before and after."""
        before, after = (self._row(image) for image in images)
        return encode(
            envelope(operation, (before, after), self.source(origin), transaction, processed_ms)
        )

    def source(self, origin: Origin) -> dict[str, Any]:
        """The source block of a record about the table."""
        return source(origin, self._prefix, (self.database, self.schema, self.name))

    def _row(self, image: Image | None) -> dict[str, Any] | None:
        if image is None:
            return None
        return {source: convert(image[name]) for name, source, convert in self._columns}


def log_sequence_number(position: int) -> int:
    """The LSN (file, block, slot) at a position of the audit; both grow alike."""
    return 0x27 + (position >> 40) << 48 | (position >> 8 & 0xFFFFFFFF) << 16 | position & 0xFF


def transaction_begin(topic: str, transaction: str, at_ms: int) -> Record:
    """The BEGIN of `transaction` on the transaction topic."""
    return _transaction(topic, transaction, "BEGIN", at_ms, None)


def transaction_end(topic: str, transaction: str, at_ms: int, counts: Mapping[str, int]) -> Record:
    """The END of `transaction`; `counts` are its events by data collection."""
    return _transaction(topic, transaction, "END", at_ms, counts)


def _transaction(
    topic: str, transaction: str, status: str, at_ms: int, counts: Mapping[str, int] | None
) -> Record:
    collections = None
    if counts is not None:
        collections = [
            {"data_collection": name, "event_count": count} for name, count in counts.items()
        ]
    value = {
        "status": status,
        "id": transaction,
        "event_count": None if counts is None else sum(counts.values()),
        "data_collections": collections,
        "ts_ms": at_ms,
    }
    return Record(topic, encode({"id": transaction}), encode(value))


def heartbeat(topic: str, prefix: str, at_ms: int) -> Record:
    """A heartbeat of the connector."""
    return Record(topic, encode({"serverName": prefix}), encode({"ts_ms": at_ms}))


def notification(topic: str, prefix: str, kind: str, at_ms: int, said: Mapping[str, str]) -> Record:
    """What the connector says of a snapshot; the same words at one time have one identity."""
    identity = str(uuid5(NAMESPACE_URL, f"{prefix} {kind} {at_ms} {sorted(said.items())}"))
    value = {
        "id": identity,
        "type": kind,
        "aggregate_type": "Initial Snapshot",
        "additional_data": {"connector_name": prefix, **said},
        "timestamp": at_ms,
    }
    return Record(topic, encode({"id": identity}), encode(value))


def schema_change(topic: str, layout: TableLayout, origin: Origin, processed_ms: int) -> Record:
    """The structure of a table, as the connector announces it before it reads the table."""
    columns = [
        {"name": column.source_name(CONNECTOR), "position": position, **_jdbc(column)}
        for position, column in enumerate(layout.table.landed_columns, start=1)
    ]
    change = {
        "type": "CREATE",
        "id": f'"{layout.database}"."{layout.schema}"."{layout.name}"',
        "table": {
            "defaultCharsetName": None,
            "primaryKeyColumnNames": [
                layout.table.column(name).source_name(CONNECTOR)
                for name in layout.table.primary_key
            ],
            "columns": columns,
            "comment": None,
        },
    }
    value = {
        "source": layout.source(origin),
        "ts_ms": processed_ms,
        "databaseName": layout.database,
        "schemaName": layout.schema,
        "ddl": None,
        "tableChanges": [change],
    }
    return Record(topic, encode({"databaseName": layout.database}), encode(value))


def hashed(value: str, salt: str, length: int) -> str:
    """`value` as the connector's transform leaves it (infra/connectors/transforms).

    Lower-case hex of the digest of the salt's bytes and the value's, cut to the column's length.
    """
    return sha256((salt + value).encode()).hexdigest()[:length]


def _converter(column: Column, salt: str) -> Callable[[Any], Any]:
    """From the audit's JSON value to the event's."""
    name, length = column.type.name, column.type.length or 0
    if column.pii == "hash":
        return _unless_null(lambda value: hashed(value, salt, length))
    if name == "decimal":
        return _unless_null(str)
    if name in ("date", "timestamp"):
        # ISO_OFFSET_DATE and ISO_OFFSET_DATE_TIME: both end in Z, fractions without trailing zeros.
        return _unless_null(lambda value: f"{value}Z")
    return lambda value: value


def _unless_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


# java.sql.Types and SQL Server's names of the declared types.
_JDBC: Mapping[str, tuple[int, str]] = {
    "smallint": (5, "smallint"),
    "integer": (4, "int"),
    "bigint": (-5, "bigint"),
    "decimal": (3, "decimal"),
    "varchar": (-9, "nvarchar"),
    "boolean": (-7, "bit"),
    "date": (91, "date"),
    "timestamp": (93, "datetime2"),
}


def _jdbc(column: Column) -> dict[str, Any]:
    code, name = _JDBC[column.type.name]
    return {
        "jdbcType": code,
        "nativeType": None,
        "typeName": name,
        "typeExpression": name,
        "charsetName": None,
        "length": column.type.length or column.type.precision,
        "scale": column.type.scale,
        "optional": column.nullable,
        "autoIncremented": False,
        "generated": False,
        "comment": None,
        "defaultValueExpression": None,
        "enumValues": None,
    }


def layouts(declarations: Declarations, salt: str) -> dict[str, TableLayout]:
    """The layout of each declared table by its declared name."""
    return {table.name: TableLayout(declarations, table, salt) for table in declarations.tables}


def key_of(names: Sequence[str], image: Image) -> tuple[Any, ...]:
    """The primary key of `image`."""
    return tuple(image[name] for name in names)
