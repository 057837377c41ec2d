"""The worked histories of docs/semantics.md as values.

`load` reads the page's tables; its section "Worked histories" says what their cells mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from ingestion.declarations import Column, Declarations, Table
from ingestion.settings import ConnectorName
from lakehouse.source.envelopes import Event, Row, Value, key_bytes, value_bytes
from lakehouse.source.positions import Place, Position, PostgresPlace, SqlServerPlace
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    UNAVAILABLE,
    Change,
    Rejected,
    Source,
    judge,
)

PAGE = Path(__file__).parents[2] / "docs/semantics.md"
DAY = datetime(2026, 3, 1)
EPOCHS: Mapping[str, int] = {"retail": 1, "restored": 2}
_CONNECTORS: Mapping[str, ConnectorName] = {"SQL Server": "sqlserver", "PostgreSQL": "postgresql"}
_TIERS = ("bronze", "silver", "gold", "platinum")
_LONG_AGO = datetime(2020, 1, 1, 8, 0, 0, 500_000)
_BASE: Mapping[str, Mapping[str, Value]] = {
    "customers": {
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "birth_date": date(1990, 12, 10),
        "tier": "bronze",
        "marketing_consent": True,
        "created_at": _LONG_AGO,
        "updated_at": _LONG_AGO,
    },
    "customer_addresses": {
        "is_default": True,
        "line_1": "1 High Street",
        "city": "London",
        "postal_code": "N1",
        "country_code": "GB",
        "updated_at": _LONG_AGO,
    },
    "orders": {
        "store_id": 1,
        "status": "placed",
        "currency_code": "GBP",
        "placed_at": datetime(2026, 3, 1, 10),
        "updated_at": _LONG_AGO,
    },
    "order_items": {
        "product_id": 3,
        "quantity": 2,
        "unit_price": Decimal("12.34"),
        "discount_amount": Decimal("0.00"),
        "tax_amount": Decimal("4.94"),
        "returned_quantity": 0,
        "updated_at": _LONG_AGO,
    },
    "payments": {
        "order_id": 5,
        "kind": "payment",
        "method": "card",
        "amount": Decimal("10.00"),
        "currency_code": "GBP",
        "booked_at": _LONG_AGO,
        "updated_at": _LONG_AGO,
    },
    "products": {
        "sku": "A-7",
        "name": "Lamp",
        "unit_price": Decimal("12.34"),
        "currency_code": "GBP",
        "is_discontinued": False,
        "updated_at": _LONG_AGO,
    },
    "stores": {
        "name": "High Street",
        "country_code": "GB",
        "time_zone": "Europe/London",
        "currency_code": "GBP",
        "opened_on": date(1999, 4, 1),
        "updated_at": _LONG_AGO,
    },
    "promotions": {
        "name": "Summer",
        "discount_percent": Decimal("12.50"),
        "starts_at": datetime(2026, 1, 1),
        "updated_at": _LONG_AGO,
    },
}

Cells = Mapping[str, str]
Key = tuple[Value, ...]
Rekey = Callable[[Key], Key]


@dataclass(frozen=True)
class WorkedHistory:
    """One worked history: its tables as the page has them, each a list of rows of cells."""

    number: int
    title: str
    connector: ConnectorName
    table: Table
    log: tuple[Cells, ...]
    history: tuple[Cells, ...]
    dimension: tuple[Cells, ...]
    current: tuple[Cells, ...]
    facts: tuple[Cells, ...]

    @property
    def source(self) -> Source:
        """How its records are read."""
        return Source(self.connector, EPOCHS)

    def deliveries(self, rekey: Rekey = lambda key: key) -> list[tuple[int, Delivery]]:
        """The records of the log with the run that reads each; `rekey` moves the keys."""
        return [
            (int(line["run"]), self._delivery(line, number, rekey))
            for number, line in enumerate(self.log)
        ]

    def changes_by_run(self, folder: Path) -> list[list[Change]]:
        """What each run reads; the records are landed in `folder`.

        AssertionError if one of them is rejected.
        """
        zone = LandingZone(folder, DECLARATIONS, self.connector)
        deliveries = self.deliveries()
        runs = []
        for run in sorted({run for run, _ in deliveries}):
            records = zone.land(self.table, [delivery for of, delivery in deliveries if of == run])
            verdicts = [judge(record, self.table, self.source) for record in records]
            assert not [verdict for verdict in verdicts if isinstance(verdict, Rejected)]
            runs.append([verdict for verdict in verdicts if isinstance(verdict, Change)])
        return runs

    def _delivery(self, line: Cells, number: int, rekey: Rekey) -> Delivery:
        key = rekey(self.key(line["key"]))
        prefix = line.get("source", "retail")
        identity = dict(zip(self.table.primary_key, key, strict=True))
        arrived = line.get("delivered")
        timestamp = _time(arrived) if arrived else _time("20:00") + timedelta(seconds=number)
        return Delivery(
            key=key_bytes(identity, self.table, self.connector),
            value=self._value(line, key, prefix),
            partition=int(line.get("partition", 0)),
            incarnation=int(line.get("incarnation", 0)),
            timestamp_ms=_milliseconds(timestamp),
        )

    def _value(self, line: Cells, key: Key, prefix: str) -> bytes | None:
        if line["op"] == "tombstone":
            return None
        if line["op"] == "malformed":
            return b"{"
        return value_bytes(self._event(line, key), self.table, self.connector, prefix)

    def _event(self, line: Cells, key: Key) -> Event:
        epoch, place = _epoch_and_place(line["position"])
        if epoch != EPOCHS[line.get("source", "retail")]:
            raise ValueError(f"history {self.number}: {line['position']} is of another epoch")
        return Event(
            op=line["op"],
            place=self._place(line["op"], place),
            committed_ms=_milliseconds(_time(line["committed"])),
            row=self._image(line["row"], key),
            before=self._image(line["before"], key),
            snapshot=_snapshot_marker(line["op"], place),
        )

    def _place(self, op: str, text: str) -> Place:
        """Where the record stands; an absence is written as its position spells a read's place."""
        place = _place(text)
        if op != "d" or "#" in text or not (text.startswith("-/") or text.isdigit()):
            return place
        return Position.parse(self.connector, str(Position(0, place))).place

    def _image(self, cell: str, key: Key) -> Row | None:
        return None if cell in ("", "unknown") else self.row(cell, key)

    def key(self, cell: str) -> Key:
        """The key that a cell spells."""
        parts = cell.split("/") if len(self.table.primary_key) > 1 else [cell]
        columns = [self.table.column(name) for name in self.table.primary_key]
        return tuple(_value(part, column) for part, column in zip(parts, columns, strict=True))

    def row(self, cell: str, key: Key) -> Row:
        """The row that a cell spells, by column name."""
        row: dict[str, Value] = {column.name: None for column in self.table.landed_columns}
        row |= _BASE[self.table.name]
        row |= dict(zip(self.table.primary_key, key, strict=True))
        for item in cell.split(", "):
            if item == "nulls":
                row |= {c.name: None for c in self.table.landed_columns if c.nullable}
            elif item in _TIERS:
                row["tier"] = item
            elif item.startswith("-"):
                del row[item[1:]]
            elif item.endswith("=?"):
                row[item[:-2]] = UNAVAILABLE
            elif item.endswith("=empty"):
                row[item[:-6]] = _empty(self.table.column(item[:-6]))
            elif item != "base":
                name, _, text = item.partition("=")
                row[name] = _value(text, self.table.column(name))
        return row

    def values(self, cell: str, key: Key) -> tuple[Value, ...]:
        """The row that a cell spells, in declared order."""
        row = self.row(cell, key)
        return tuple(row[column.name] for column in self.table.landed_columns)

    def position(self, cell: str) -> str:
        """The `_cdc_position` that a cell of this history spells."""
        if cell == "0":
            start = SqlServerPlace(0) if self.connector == "sqlserver" else PostgresPlace(0)
            return str(Position(0, start))
        epoch, place = _epoch_and_place(cell)
        return str(Position(epoch, _place(place)))


def load(declarations: Declarations, page: Path = PAGE) -> list[WorkedHistory]:
    """All worked histories of the page, in its order."""
    text = page.read_text("utf-8").split("## Worked histories", 1)[1]
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    return [_worked_history(section, declarations) for section in sections]


def worked_histories(connector: ConnectorName) -> list[WorkedHistory]:
    """Those of one connector and of the tables that keep every version."""
    return [
        worked
        for worked in load(DECLARATIONS)
        if worked.connector == connector and worked.table.history == "all"
    ]


def _worked_history(section: str, declarations: Declarations) -> WorkedHistory:
    heading = re.match(r"(\d+)\. (.+)\n", section)
    source = re.search(r"^Source: (SQL Server|PostgreSQL), table (\w+)\.", section, flags=re.M)
    if heading is None or source is None:
        raise ValueError(f"not a worked history: {section[:80]!r}")
    tables = {caption: tuple(rows) for caption, rows in _tables(section)}
    return WorkedHistory(
        number=int(heading[1]),
        title=heading[2],
        connector=_CONNECTORS[source[1]],
        table=declarations.table(source[2]),
        log=tables.pop("log"),
        history=tables.pop("history", ()),
        dimension=tables.pop("dimension", ()),
        current=tables.pop("current", ()),
        facts=tables.pop("facts", ()),
    )


def _tables(section: str) -> Iterator[tuple[str, list[Cells]]]:
    for block in re.findall(r"(?:^\|.*\n?)+", section, flags=re.M):
        header, _, *lines = [_cells(line) for line in block.splitlines()]
        yield header[0], [dict(zip(header[1:], line[1:], strict=True)) for line in lines]


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [_unescape(cell.strip().replace(r"\|", "|")) for cell in cells]


def _unescape(cell: str) -> str:
    return re.sub(
        r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})", lambda found: chr(int(found[1] or found[2], 16)), cell
    )


def _empty(column: Column) -> Value:
    """What Debezium writes for a value that it does not know, of the types that logs leave out."""
    fillers: Mapping[str, Value] = {"varchar": "", "boolean": False, "decimal": Decimal(0)}
    return None if column.nullable else fillers[column.type.name]


def _value(text: str, column: Column) -> Value:
    if text == "null":
        return None
    text = text[1:-1] if text.startswith('"') else text
    parsers: Mapping[str, Callable[[str], Value]] = {
        "smallint": int,
        "integer": int,
        "bigint": int,
        "decimal": Decimal,
        "boolean": lambda word: word == "true",
        "date": date.fromisoformat,
        "timestamp": datetime.fromisoformat,
        "varchar": str,
    }
    return parsers[column.type.name](text)


def moment(cell: str) -> datetime | None:
    """The time that a cell spells; None for `open`."""
    named = {"beginning": BEGINNING_OF_TIME, "end": END_OF_TIME, "open": None}
    return named[cell] if cell in named else _time(cell)


def _time(cell: str) -> datetime:
    hours, minutes, *seconds = cell.split(":")
    return DAY + timedelta(
        hours=int(hours), minutes=int(minutes), seconds=float(seconds[0]) if seconds else 0
    )


def _milliseconds(time: datetime) -> int:
    return round((time - datetime(1970, 1, 1)) / timedelta(milliseconds=1))


def _epoch_and_place(cell: str) -> tuple[int, str]:
    epoch, colon, place = cell.partition(":")
    return (int(epoch), place) if colon else (1, cell)


def _place(text: str) -> Place:
    if "/" in text:
        before, _, rest = text.partition("/")
        lsn, _, order = rest.partition("#")
        return PostgresPlace(
            lsn=int(lsn),
            commit_before=None if before == "-" else int(before),
            order=int(order) if order else None,
        )
    return SqlServerPlace(*(int(part) for part in text.split(".")))


def _snapshot_marker(op: str, place: str) -> str:
    if op != "r":
        return "false"
    return "true" if place.startswith("-/") or place.isdigit() else "incremental"
