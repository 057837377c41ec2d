"""The rules of docs/semantics.md as plain Python: what the warehouse has to contain, and why.

Read from top to bottom this is the definition: a landed record gets a verdict (`judge`), the
accepted changes of a key become its history (`history_of_key`), a history becomes the versions of a
dimension (`collapse`), and a fact finds its version (`bind`). It shares no code and no SQL with the
dbt project, and knows tables only through the declarations. The numbers of rules are those of
docs/semantics.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from ingestion.declarations import Column, Table
from ingestion.settings import ConnectorName

BEGINNING_OF_TIME = datetime(1900, 1, 1)
END_OF_TIME = datetime(9999, 12, 31)

Value = None | int | Decimal | str | bool | date | datetime
Row = tuple[Value, ...]
"""Values of the landed columns of a table, in declared order."""
Key = tuple[Value, ...]
"""Values of the primary key's columns."""


# --- Records and verdicts -------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A landed record: Kafka's coordinates, the time Kafka gave it (UTC) and its bytes."""

    topic: str
    incarnation: int
    partition: int
    offset: int
    timestamp: datetime
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Change:
    """An accepted record: what it says about one row of the source."""

    op: str
    position: str
    is_floating: bool
    """Whether the place of its commit is unknown (rule P3)."""
    committed_at: datetime
    row: Row
    before: Row | None
    key: Key
    record: Record
    lacks: frozenset[int] = frozenset()
    """Which values of the row its image does not carry (rule A12)."""
    before_lacks: frozenset[int] = frozenset()
    """Which values of the before image are not carried."""
    commit: str | None = None
    """Names the commit of a streamed change of SQL Server, whose changes rule 2a may exchange."""
    order: str = ""
    """What orders it: its position, or that of the change it was exchanged with (rule 2a)."""
    is_absence: bool = False
    """Whether this is a delete because a snapshot did not find the row (rule 2b)."""

    @property
    def is_streamed(self) -> bool:
        """Whether this is a commit; a read (r) and an absence are only observations."""
        return self.op != "r" and not self.is_absence


@dataclass(frozen=True)
class Rejected:
    """A record that cannot be read, and the reason."""

    reason: str


@dataclass(frozen=True)
class Tombstone:
    """A record without a value: it only lets Kafka forget a key."""


Verdict = Change | Rejected | Tombstone


@dataclass(frozen=True)
class Source:
    """What decides how records are read: the connector and the epoch of each of its prefixes."""

    connector: ConnectorName
    epochs: Mapping[str, int]


class _RefusalError(Exception):
    """A rule of acceptance that the record breaks; its text is the reason."""


def judge(record: Record, table: Table, source: Source) -> Verdict:
    """The verdict on a landed record of `table` (rules A1 to A11, in their order)."""
    if record.value is None:
        return Tombstone()
    try:
        return _read_change(record, record.value, table, source)
    except _RefusalError as refusal:
        return Rejected(str(refusal))


def _read_change(record: Record, value: bytes, table: Table, source: Source) -> Change:
    envelope = _read_envelope(value)
    origin = envelope["source"]
    op = _read_op(envelope["op"])
    epoch = source.epochs.get(_text(origin.get("name")) or "")
    if epoch is None:
        raise _RefusalError("unknown_source")
    place = _read_place(origin, op, envelope.get("transaction"), source.connector)
    committed_at = _read_commit_time(origin.get("ts_ms"))
    image = _image(envelope)
    if not isinstance(image, dict) or not image:
        raise _RefusalError("no_row")
    if _names_another_key(record.key, table, source.connector):
        raise _RefusalError("other_key")
    images = _Images(op, envelope.get("before"), envelope.get("after"), table, source.connector)
    lacks = images.lacks("before" if op == "d" else "after")
    row = _read_row(image, lacks, table, source.connector)
    before_lacks, before = images.before()
    position = f"{epoch:04d}:{place}"
    is_floating = source.connector == "postgresql" and op != "r" and _last_commit(origin) is None
    is_absence = op == "d" and not is_floating and _is_initial_read(place, source.connector)
    is_in_commit = source.connector == "sqlserver" and op != "r" and not is_absence
    return Change(
        op=op,
        position=position,
        order=position,
        commit=position[:27] if is_in_commit else None,
        lacks=lacks,
        before_lacks=before_lacks,
        is_floating=is_floating,
        committed_at=committed_at,
        row=row,
        before=None if is_absence else before,
        key=_key(row, table),
        record=record,
        is_absence=is_absence,
    )


# --- Envelope (rules A2 to A8) --------------------------------------------------------------------

MAX_OPENING_BRACKETS = 100


@dataclass(frozen=True)
class Number:
    """A JSON number as it is written: its text decides, no float is made of it."""

    text: str


class Ambiguous(dict[str, Any]):
    """A JSON object that has a name twice: readers disagree about which of the two counts."""


def _read_envelope(value: bytes) -> dict[str, Any]:
    document = parse_json(value)
    if not isinstance(document, dict):
        raise _RefusalError("not_an_envelope")
    if isinstance(_image(document), Ambiguous):
        raise _RefusalError("not_json")
    origin = document.get("source")
    if document.get("op") is None or not isinstance(origin, dict) or origin.get("name") is None:
        raise _RefusalError("not_an_envelope")
    return document


def _image(envelope: Mapping[str, Any]) -> Any:
    """What holds the row: `before` of a delete, else `after`."""
    return envelope.get("before" if envelope.get("op") == "d" else "after")


def parse_json(value: bytes) -> Any:
    """`value` as JSON (RFC 8259, UTF-8), numbers as `Number`; nothing else is tolerated."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RefusalError("not_utf8") from error
    if is_nested_deeply(text):
        raise _RefusalError("not_json")
    try:
        document = json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except ValueError as error:
        raise _RefusalError("not_json") from error
    if _has_lone_surrogate(text):
        raise _RefusalError("not_json")
    return document


def is_nested_deeply(text: str) -> bool:
    """Whether JSON is nested as no event is: many brackets opened, four closed in a row."""
    bare = re.sub(r'"[^"\\]*(?:\\.[^"\\]*)*"', "", text, flags=re.S)
    opened = bare.count("[") + bare.count("{")
    return opened > MAX_OPENING_BRACKETS and re.search(r"(?:[}\]]\s*){4}", bare) is not None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else Ambiguous(members)


def _has_lone_surrogate(text: str) -> bool:
    escapes = re.sub(r"\\[^u]", "", text)
    pairs_removed = re.sub(
        r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}", "", escapes
    )
    return re.search(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", pairs_removed) is not None


def _scalar_text(value: Any) -> str | None:
    """The text of a JSON string, number or boolean; None for an object or array."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    return _text(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _read_op(op: Any) -> str:
    if op == "t":
        raise _RefusalError("truncate")
    if op not in ("r", "c", "u", "d"):
        raise _RefusalError("unknown_op")
    return str(op)


def _read_commit_time(milliseconds: Any) -> datetime:
    text = _scalar_text(milliseconds)
    if text is None or not re.fullmatch("[0-9]{1,14}", text):
        raise _RefusalError("no_commit_time")
    return datetime(1970, 1, 1) + timedelta(milliseconds=int(text))


# --- Position (rules P1 to P4) --------------------------------------------------------------------

_LSN = "[0-9a-f]{8}:[0-9a-f]{8}:[0-9a-f]{4}"
_ZERO_LSN = "00000000:00000000:0000"


def _read_place(
    origin: Mapping[str, Any], op: str, transaction: Any, connector: ConnectorName
) -> str:
    if connector == "sqlserver":
        place = _sqlserver_place(origin, op)
    else:
        place = _postgresql_place(origin, op, transaction)
    if place is None:
        raise _RefusalError("no_position")
    return place


def _sqlserver_place(origin: Mapping[str, Any], op: str) -> str | None:
    commit = _text(origin.get("commit_lsn"))
    if commit is None or not re.fullmatch(_LSN, commit):
        return None
    change = origin.get("change_lsn")
    if op == "r" and change is None:
        return f"{commit}:{_ZERO_LSN}:{0:016x}"
    serial = _whole_number(origin.get("event_serial_no"))
    if not isinstance(change, str) or not re.fullmatch(_LSN, change) or serial is None:
        return None
    return f"{commit}:{change}:{serial:016x}"


def _postgresql_place(origin: Mapping[str, Any], op: str, transaction: Any) -> str | None:
    lsn = _scalar_text(origin.get("lsn"))
    order: int | None = 0
    if isinstance(transaction, dict) and transaction.get("total_order") is not None:
        order = _whole_number(transaction["total_order"])
    if lsn is None or not re.fullmatch("[1-9][0-9]{0,17}", lsn) or order is None:
        return None
    last_commit = _last_commit(origin)
    if last_commit is None:
        return f"{int(lsn):016x}:{int(lsn):016x}:{order:016x}"
    return f"{last_commit:016x}:{0 if op == 'r' else int(lsn):016x}:{order:016x}"


def _is_initial_read(place: str, connector: ConnectorName) -> bool:
    """Whether an initial snapshot's read stands there; nothing that is streamed does (rule 2b)."""
    if connector == "sqlserver":
        return place.endswith(f":{_ZERO_LSN}:{0:016x}")
    commit, lsn, order = place.split(":")
    return commit == lsn and int(order, 16) == 0


def _last_commit(origin: Mapping[str, Any]) -> int | None:
    """LSN of the last commit before the record's transaction, where the connector knew one."""
    match = re.match(r'\["([1-9][0-9]{0,17})"', _text(origin.get("sequence")) or "")
    return int(match[1]) if match else None


def _whole_number(value: Any) -> int | None:
    text = _scalar_text(value)
    return int(text) if text is not None and re.fullmatch("[0-9]{1,18}", text) else None


# --- Rows and values (rules A9 to A11) ------------------------------------------------------------

UNAVAILABLE = "__debezium_unavailable_value"
_BYTES = UNAVAILABLE.encode()
_BASE64 = base64.b64encode(_BYTES).decode()
# Text, bytes, and arrays of texts, bytes, UUIDs and numbers; hstore
# (io.debezium.connector.postgresql.UnchangedToastedPlaceholder), without JSON's blanks and quotes.
PLACEHOLDERS = frozenset(
    (
        UNAVAILABLE,
        _BASE64,
        f"[{UNAVAILABLE}]",
        f"[{_BASE64}]",
        f"[{UUID(bytes=hashlib.md5(_BYTES).digest(), version=3)}]",
        f"[{','.join(str(byte) for byte in _BYTES)}]",
        f"{{{UNAVAILABLE}:{UNAVAILABLE}}}",
    )
)
MAX_BYTES = 65535
NO_NUMBERS = ("NaN", "NAN", "Infinity", "-Infinity", "POSITIVE_INFINITY", "NEGATIVE_INFINITY")
FIRST_MOMENT, LAST_MOMENT = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)
_INTEGER_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})Z?")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])(0[0-9]|1[0-4]):([0-5][0-9]))?"
)
_BEYOND = re.compile(
    r"-?infinity"
    r"|(?:[+-][0-9]{4,10}|0000)-[0-9]{2}-[0-9]{2}"
    r"(?:T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?)?Z?"
)


def _names_another_key(key: bytes | None, table: Table, connector: ConnectorName) -> bool:
    """Whether Kafka has no key, or an object whose names are not those of the declared key.

    A table without a key has none there either.
    """
    if key is None or not table.primary_key:
        return (key is None) == bool(table.primary_key)
    try:
        told = json.loads(key or b"null")
    except ValueError:
        return False
    expected = [table.column(name).source_names(connector) for name in table.primary_key]
    return (
        isinstance(told, dict)
        and bool(told)
        and not (len(told) == len(expected) and all(set(told) & set(names) for names in expected))
    )


@dataclass(frozen=True)
class _Images:
    """Both images of an event, and which columns they do not carry (rules A11 and A12)."""

    op: str
    before_image: Any
    after_image: Any
    table: Table
    connector: ConnectorName

    def lacks(self, which: Literal["before", "after"]) -> frozenset[int]:
        """The numbers of the columns that the image does not carry; its key it always does."""
        image = self.before_image if which == "before" else self.after_image
        return frozenset(
            number
            for number, column in enumerate(self.table.landed_columns)
            if column.name not in self.table.primary_key
            and self._is_lacking(column, image, is_before=which == "before")
        )

    def _could_be(self, value: Any, column: Column) -> bool:
        return _could_be(value, column, self.table, self.connector)

    def _is_lacking(self, column: Column, image: Mapping[str, Any], *, is_before: bool) -> bool:
        names = column.source_names(self.connector)
        if not any(name in image for name in names):
            return self.op in "ud" or (self.op == "r" and column.nullable)
        value = _first_of(image, names)
        if is_placeholder(value):
            return True
        if self.connector == "postgresql":
            is_key_only = is_before and self.table.replica_identity == "default"
            return is_key_only or (self.op == "d" and not self._could_be(value, column))
        if self.op == "d":
            is_left_out = column.large == "text" or column.type.name == "boolean"
            return is_left_out or not self._could_be(value, column)
        if self.op == "u" and column.large is not None:
            before = self.before_image if isinstance(self.before_image, dict) else {}
            return _is_empty(_first_of(before, names)) and (is_before or _is_empty(value))
        return False

    def before(self) -> tuple[frozenset[int], Row | None]:
        """What the before image lacks, and its row; None where it could not have been one."""
        if self.op not in ("u", "d") or not isinstance(self.before_image, dict):
            return frozenset(), None
        lacks = self.lacks("before")
        if lacks and len(lacks) + len(self.table.primary_key) == len(self.table.landed_columns):
            return frozenset(), None
        try:
            return lacks, _read_row(self.before_image, lacks, self.table, self.connector)
        except _RefusalError:
            return frozenset(), None


def _read_row(
    image: Mapping[str, Any], lacks: frozenset[int], table: Table, connector: ConnectorName
) -> Row:
    """The values of an image; what it does not carry and could not be a value has a filler."""
    return tuple(
        _standing_value(_first_of(image, column.source_names(connector)), column, table, connector)
        if number in lacks
        else _lenient_value(
            _first_of(image, column.source_names(connector)), column, table, connector
        )
        for number, column in enumerate(table.landed_columns)
    )


def _first_of(image: Mapping[str, Any], names: Sequence[str]) -> Any:
    """What the image has under the first of the names that it has."""
    return next((image[name] for name in names if name in image), None)


def _standing_value(value: Any, column: Column, table: Table, connector: ConnectorName) -> Value:
    if _could_be(value, column, table, connector):
        return _read_value(value, column, table, connector)
    return None if column.nullable else _filler(column)


def _lenient_value(value: Any, column: Column, table: Table, connector: ConnectorName) -> Value:
    """The value, or null where the declaration says so for one that is none."""
    if column.on_invalid == "null" and not _could_be(value, column, table, connector):
        return None
    return _read_value(value, column, table, connector)


def _filler(column: Column) -> Value:
    """What Debezium writes for a value that is never null and that it does not know."""
    fillers: dict[str, Value] = {
        "varchar": "",
        "boolean": False,
        "date": date(1970, 1, 1),
        "timestamp": _timestamp("1970-01-01T00:00:00Z", column.time_zone),
        "decimal": Decimal(0).scaleb(-(column.type.scale or 0)),
    }
    return fillers.get(column.type.name, 0)


def _could_be(value: Any, column: Column, table: Table, connector: ConnectorName) -> bool:
    """Whether the value could stand in the column."""
    try:
        _read_value(value, column, table, connector)
    except _RefusalError:
        return False
    return True


def is_placeholder(value: Any) -> bool:
    """Whether Debezium says that the value was left out, in any of the forms that types give it."""
    text = value if isinstance(value, str) else json_text(value)
    return re.sub(r'[\s"]|\.0+', "", text) in PLACEHOLDERS


def json_text(value: Any) -> str:
    """A parsed value as compact JSON, its numbers as they were written."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, list):
        return f"[{','.join(map(json_text, value))}]"
    if isinstance(value, dict):
        pairs = (f"{json_text(name)}:{json_text(item)}" for name, item in value.items())
        return f"{{{','.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)


def _is_empty(value: Any) -> bool:
    """Whether a large column's value is what stands there when it was not written: rule A12."""
    return value is None or value == "" or is_placeholder(value)


def _read_value(value: Any, column: Column, table: Table, connector: ConnectorName) -> Value:
    if value is None:
        if not column.nullable:
            raise _RefusalError(f"missing_column:{column.name}")
        return None
    if is_placeholder(value):
        raise _RefusalError(f"unavailable_value:{column.name}")
    is_key = column.name in table.primary_key
    has_answer = connector == "postgresql" and not is_key and column.on_invalid is None
    if has_answer:
        if column.nullable and column.type.name == "decimal" and value in NO_NUMBERS:
            return None
        if column.type.name in ("date", "timestamp") and _BEYOND.fullmatch(str(value)):
            return _nearest(value, column)
    try:
        typed = _typed_value(value, column, is_key=is_key)
    except _BeyondError as beyond:
        typed = beyond.nearest if has_answer else None
    if typed is None:
        raise _RefusalError(f"invalid_value:{column.name}")
    if isinstance(typed, str) and (
        len(typed) > (column.type.length or 0) or len(typed.encode()) > MAX_BYTES
    ):
        raise _RefusalError(f"value_too_long:{column.name}")
    return typed


class _BeyondError(Exception):
    """A time that its offset moves out of the years 1 to 9999."""

    def __init__(self, nearest: datetime) -> None:
        super().__init__(nearest)
        self.nearest = nearest


def _nearest(value: str, column: Column) -> date | datetime:
    """For what PostgreSQL has beyond the years 1 to 9999: the first or the last moment."""
    is_last = value[0] in "+i" or value.startswith("-5877611-06-21")
    moment = LAST_MOMENT if is_last else FIRST_MOMENT
    return moment.date() if column.type.name == "date" else moment


def _typed_value(value: Any, column: Column, *, is_key: bool) -> Value:
    """The value that `value` (as parsed by `parse_json`) spells in the column's type, else None."""
    name = column.type.name
    text = _text_in_json(value, column) if name in ("varchar", "decimal") else _scalar_text(value)
    readers: Mapping[str, Callable[[str], Value]] = {
        "decimal": lambda text: _decimal(text, column.type.precision or 0, column.type.scale or 0),
        "boolean": {"true": True, "false": False}.get,
        "date": _date,
        "timestamp": lambda text: _timestamp(text, column.time_zone, is_key=is_key),
        "varchar": lambda text: None if "\x00" in text else text,
    }
    if text is None:
        return None
    if column.from_float:
        return _rounded(text, column.type.precision or 0, column.type.scale or 0)
    if name in _INTEGER_BITS:
        return _integer(text, _INTEGER_BITS[name], is_key=is_key)
    return readers[name](text)


def _text_in_json(value: Any, column: Column) -> str | None:
    """The text of a string, and of what engines spell alike: whole numbers, arrays, objects."""
    if isinstance(value, Number):
        is_whole = re.fullmatch("-?[0-9]{1,18}", value.text)
        return value.text if is_whole or column.from_float else None
    if column.type.name == "varchar" and isinstance(value, list | dict):
        text = json_text(value)
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
        is_spelt_differently = re.search(r"[0-9][eE]|[0-9]{8}\.|(^|[^0-9])0\.000|[0-9]{19}", bare)
        return None if is_spelt_differently or len(text.encode()) > MAX_BYTES else text
    return _text(value)


def _integer(text: str, bits: int, *, is_key: bool) -> int | None:
    if text in ("true", "false") and not is_key:
        return int(text == "true")
    if not re.fullmatch("-?(0|[1-9][0-9]{0,18})", text):
        return None
    number = int(text)
    return number if -(2**bits) <= number < 2**bits else None


def _decimal(value: str, precision: int, scale: int) -> Decimal | None:
    match = re.fullmatch(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?", value)
    if match is None or len(match[2] or "") > scale:
        return None
    if match[1] != "0" and len(match[1]) > precision - scale:
        return None
    exact = Context(prec=99)
    number = exact.add(Decimal(value), 0)  # no negative zero
    return number.quantize(Decimal(1).scaleb(-scale), context=exact)


def _rounded(value: str, precision: int, scale: int) -> Decimal | None:
    """A float in units of the scale, by the arithmetic of doubles; half a unit counts as one."""
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE](\+?[0-9]{1,2}|-[0-9]{1,3}))?", value):
        return None
    units = math.floor(abs(float(value)) * 10.0**scale + 0.5)
    number = Decimal(units).scaleb(-scale) * (-1 if value.startswith("-") else 1) + 0
    return number if units < 10**precision else None


def _date(value: str) -> date | None:
    match = _DATE.fullmatch(value)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def _timestamp(value: str, zone: str | None = None, *, is_key: bool = False) -> datetime | None:
    day = _date(value)
    match = _TIMESTAMP.fullmatch(value if day is None else f"{day}T00:00:00")
    if match is None or (match[4] and zone) or (is_key and (match[3] or "")[6:].strip("0")):
        return None
    microseconds = (match[3] or "")[:6].ljust(6, "0")
    try:
        told = datetime.strptime(f"{match[1]} {match[2]}.{microseconds}", "%Y-%m-%d %H:%M:%S.%f")
    except ValueError:
        return None
    if match[4]:
        offset = timedelta(hours=int(match[5]), minutes=int(match[6]))
        try:
            return told - offset if match[4] == "+" else told + offset
        except OverflowError:
            raise _BeyondError(FIRST_MOMENT if match[4] == "+" else LAST_MOMENT) from None
    if zone and 1970 <= told.year < 9999:
        return _in_utc(told, ZoneInfo(zone))
    return told


def _in_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """Of an hour that is there twice the second one, of one that is skipped as if it were not."""
    moments = [
        local.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)
        for fold in (0, 1)
    ]
    return max(moments)


# --- Canonical text and hashes (rules C1 to C3) ---------------------------------------------------


def canonical_text(value: Value, column: Column) -> str | None:
    """The one spelling of a value that hashes are taken from; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:.{column.type.scale or 0}f}"
    return str(value).replace("~", "~0").replace("|", "~1")


def values_hash(row: Row, table: Table, names: Sequence[str] | None = None) -> str:
    """md5 over `|name=text` of every column (of `names` only) that is not null (rule C2).

    Where the texts together are long, each is there as `~2` and its own md5.
    """
    hashed = [
        (value, column)
        for value, column in zip(row, table.landed_columns, strict=True)
        if names is None or column.name in names
    ]
    are_long = sum(len(value.encode()) for value, _ in hashed if isinstance(value, str)) > 24576
    parts = []
    for value, column in hashed:
        text = canonical_text(value, column)
        if are_long and isinstance(value, str):
            text = f"~2{_md5(value)}"
        if text is not None:
            parts.append(f"|{column.name}={text}")
    return _md5("".join(parts))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def listed(lacks: frozenset[int], table: Table) -> str | None:
    """The names of these columns as the warehouse keeps them: between commas, null for none."""
    names = [table.landed_columns[number].name for number in sorted(lacks)]
    return f",{','.join(names)}," if names else None


def _key(row: Row, table: Table) -> Key:
    names = [column.name for column in table.landed_columns]
    return compared_key(tuple(row[names.index(name)] for name in table.primary_key), table)


# --- History (rules 1 to 9) -----------------------------------------------------------------------


@dataclass(frozen=True)
class HistoryRow:
    """One version of a row of the source, or its deletion (`op` d, with the last known values)."""

    key: Key
    op: str
    position: str
    order: str
    committed_at: datetime
    row: Row
    before: Row | None
    not_carried: frozenset[int]
    """Which values no image has ever told: they stand as the change's own image has them."""
    valid_from: datetime
    valid_to: datetime | None

    @property
    def is_deleted(self) -> bool:
        """Whether the row does not exist in the source during this interval."""
        return self.op == "d"


def history(changes: Iterable[Change]) -> dict[Key, list[HistoryRow]]:
    """The history of every key in `changes`, whatever the order in which they come (rule 10).

    A key of which nothing but absences are known has none.
    """
    by_key: dict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        by_key[change.key].append(change)
    return {key: rows for key in by_key if (rows := history_of_key(by_key[key]))}


def history_of_key(changes: Iterable[Change]) -> list[HistoryRow]:
    """The versions of one key, in order. `changes` are all its accepted changes, in any order."""
    versions = version_rows(effective_reads(without_repeated_reads(settled(changes))))
    return timed(with_version_before_capture(versions))


def settled(changes: Iterable[Change]) -> list[Change]:
    """Rules 1 to 3a and 3d: the changes of a key in order, each with all that is known of it."""
    heard = without_untrue_absences(in_order(last_deliveries(changes)))
    return with_values_before(without_stale_reads(exchanged(heard)))


def last_deliveries(changes: Iterable[Change]) -> list[Change]:
    """Rule 1. Of the deliveries of one change (key, position, op) the last one stands."""
    standing: dict[tuple[str, str], Change] = {}
    for change in changes:
        identity = (change.position, change.op)
        if identity not in standing or _delivery(change) > _delivery(standing[identity]):
            standing[identity] = change
    return list(standing.values())


def _delivery(change: Change) -> tuple[datetime, datetime, int, int, int]:
    record = change.record
    return (
        change.committed_at,
        record.timestamp,
        record.incarnation,
        record.partition,
        record.offset,
    )


def in_order(changes: Iterable[Change]) -> list[Change]:
    """Rule 2. By position, bytewise; at one position d, c, u, r."""
    return sorted(changes, key=lambda change: (change.order.encode(), "dcur".index(change.op)))


def exchanged(ordered: Sequence[Change]) -> list[Change]:
    """Rule 2a. Exchanges the two changes of a commit whose positions are not their order."""
    orders = [change.order for change in ordered]
    commits = Counter(change.commit for change in ordered if change.commit is not None)
    for number, (first, second) in enumerate(pairwise(ordered)):
        is_pair = first.commit == second.commit is not None and commits[str(first.commit)] == 2
        if is_pair and _are_reversed(ordered[:number], first, second):
            orders[number : number + 2] = second.order, first.order
    return in_order(
        replace(change, order=order) for change, order in zip(ordered, orders, strict=True)
    )


def _are_reversed(earlier: Sequence[Change], first: Change, second: Change) -> bool:
    match first.op + second.op:
        case "uc" | "du":
            return True
        case "cd":
            return _lived(earlier) is True
        case "dc":
            return _lived(earlier) is False
        case "uu":
            return (
                _saw(first, second)
                and not _may_have_seen(second, first)
                and not _is_known_to_be_seen(first, earlier)
            )
    return False


def _lived(earlier: Sequence[Change]) -> bool | None:
    """Whether a row was there after these changes; None where they do not tell."""
    ops: dict[str | None, str] = defaultdict(str)
    for change in earlier:
        if change.is_streamed:
            ops[change.commit] += change.op
    for change in reversed(earlier):
        if not change.is_streamed:
            return not change.is_absence
        inserts, deletes = (ops[change.commit].count(op) for op in "cd")
        if inserts != deletes:
            return inserts > deletes
        if inserts == 0:
            return True
    return None


def _saw(change: Change, earlier: Change) -> bool:
    """Whether the before image is the row of `earlier`, in all that both carry."""
    return change.before is not None and all(
        now == then
        for number, (now, then) in enumerate(zip(change.before, earlier.row, strict=True))
        if number not in change.before_lacks | earlier.lacks
    )


def _may_have_seen(change: Change, earlier: Change) -> bool:
    return change.before is None or _saw(change, earlier)


def _is_known_to_be_seen(change: Change, earlier: Sequence[Change]) -> bool:
    """Whether the row before the commit is known, and is what the before image says."""
    if not earlier or earlier[-1].op == "d":
        return False
    last = earlier[-1]
    of_its_commit = [c for c in earlier if c.is_streamed and c.commit == last.commit]
    is_known = not last.is_streamed or len(of_its_commit) == 1
    return is_known and _saw(change, last)


def without_untrue_absences(ordered: Sequence[Change]) -> list[Change]:
    """Rule 2b. Leaves out the absences that something speaks against, or that say nothing new."""
    kept = []
    for place, change in enumerate(ordered):
        before, behind = ordered[:place], ordered[place + 1 :]
        was_read = any(c.op == "r" and c.position == change.position for c in ordered)
        was_open = any(c.is_floating for c in before)
        following = next((c.op for c in behind if c.is_streamed), "")
        says_nothing = not before or before[-1].op == "d"
        if not change.is_absence or not (
            was_read or was_open or following in ("u", "d") or says_nothing
        ):
            kept.append(change)
    return kept


def without_stale_reads(ordered: Sequence[Change]) -> list[Change]:
    """Rule 3a. Leaves out reads that saw the row before the floating transaction ahead of them.

    PostgreSQL's first transaction after a snapshot has no commit place. A read behind its changes
    of the row, with no change of a known commit between, that saw the row as it was before one of
    them, was made before its commit.
    """
    kept: list[Change] = []
    floating: list[Change] = []
    for change in ordered:
        if change.is_floating:
            floating.append(change)
        elif change.is_streamed:
            floating.clear()
        elif any(_saw(earlier, change) for earlier in floating):
            continue
        kept.append(change)
    return kept


def with_values_before(ordered: Sequence[Change]) -> list[Change]:
    """Rule 3d. What an image does not carry is as the change before it left it.

    What `lacks` and `before_lacks` still name then, no change before has told either.
    """
    known: dict[int, Value] = {}
    resolved = []
    for change in ordered:
        if change.op == "c":  # another row, whatever had its key before
            known.clear()
        before = change.before and _filled(change.before, change.before_lacks, known)
        unknown_before = change.before_lacks - known.keys()
        if change.before is not None:
            known |= _carried(change.before, change.before_lacks, only=change.lacks)
        row = _filled(change.row, change.lacks, known)
        unknown = change.lacks - known.keys()
        known |= _carried(change.row, change.lacks)
        resolved.append(
            replace(change, row=row, before=before, lacks=unknown, before_lacks=unknown_before)
        )
    return resolved


def _filled(row: Row, lacks: frozenset[int], known: Mapping[int, Value]) -> Row:
    return tuple(
        known.get(number, value) if number in lacks else value for number, value in enumerate(row)
    )


def _carried(
    row: Row, lacks: frozenset[int], only: frozenset[int] | None = None
) -> dict[int, Value]:
    return {
        number: value
        for number, value in enumerate(row)
        if number not in lacks and (only is None or number in only)
    }


def without_repeated_reads(ordered: Sequence[Change]) -> list[Change]:
    """Rule 3b. Leaves out reads that saw what the read directly before them saw."""
    kept: list[Change] = []
    for change in ordered:
        before = kept[-1] if kept else None
        is_repeated = before is not None and before.op == change.op == "r"
        if not (is_repeated and before is not None and before.row == change.row):
            kept.append(change)
    return kept


def effective_reads(ordered: Sequence[Change]) -> list[Change]:
    """Rule 3c. Corrects each read by the streamed change that follows it, or leaves it out.

    What follows was committed on top of the row as the read should have shown it: its before image
    is the truth, and an insert says that there was no row.
    """
    kept = []
    for position, change in enumerate(ordered):
        following = ordered[position + 1] if position + 1 < len(ordered) else None
        if change.op != "r" or following is None or not following.is_streamed:
            kept.append(change)
        elif following.op == "c":
            continue
        elif following.before is not None:
            kept.append(replace(change, row=following.before, lacks=following.before_lacks))
        else:
            kept.append(change)
    return kept


def version_rows(ordered: Sequence[Change]) -> list[Change]:
    """Rules 4 and 6. Commits and absences are rows; a read only when it says something new."""
    rows: list[Change] = []
    for change in ordered:
        if change.op != "r" or not rows or rows[-1].op == "d" or rows[-1].row != change.row:
            rows.append(change)
    return rows


def with_version_before_capture(rows: list[Change]) -> list[Change]:
    """Rule 5. An update or delete that comes first tells what the row was before it."""
    first = rows[0] if rows else None
    if first is None or first.op not in ("u", "d") or first.before is None:
        return rows
    return [
        replace(
            first,
            op="r",
            position=re.sub("[0-9a-f]", "0", first.position),
            order=re.sub("[0-9a-f]", "0", first.position),
            row=first.before,
            lacks=first.before_lacks,
            before=None,
        ),
        *rows,
    ]


def timed(rows: Sequence[Change]) -> list[HistoryRow]:
    """Rules 7 and 8. Half-open intervals: the running maximum of the commit times, in order."""
    starts: list[datetime] = []
    latest = datetime.min
    for row in rows:
        if not starts and row.op == "r":
            starts.append(BEGINNING_OF_TIME)
            continue
        latest = max(latest, row.committed_at)
        starts.append(latest)
    return [
        HistoryRow(
            key=row.key,
            op=row.op,
            position=row.position,
            order=row.order,
            committed_at=row.committed_at,
            row=row.row,
            before=row.before if row.is_streamed else None,
            not_carried=row.lacks,
            valid_from=start,
            valid_to=end,
        )
        for row, start, end in zip(rows, starts, [*starts[1:], None][: len(rows)], strict=True)
    ]


def version_id(row: HistoryRow, table: Table) -> str:
    """Rule 9. dbt_scd_id: hash of the parts of the key, the position and the operation (C3)."""
    columns = [table.column(name) for name in table.primary_key]
    key = [canonical_text(value, column) for value, column in zip(row.key, columns, strict=True)]
    return _md5("|".join([*(text or "" for text in key), row.position, row.op]))


def chain_breaks(rows: Sequence[HistoryRow]) -> list[HistoryRow]:
    """Rows whose before image is known and is not the row before them: a change is missing."""
    return [
        row
        for before, row in pairwise(rows)
        if row.before is not None and (before.is_deleted or before.row != row.before)
    ]


def conflicting_deliveries(changes: Iterable[Change]) -> list[list[Change]]:
    """Deliveries of one change that do not agree about its values (rule 1: reported)."""
    deliveries: dict[tuple[Any, ...], list[Change]] = defaultdict(list)
    for change in changes:
        deliveries[change.key, change.position, change.op].append(change)
    return [group for group in deliveries.values() if len({change.row for change in group}) > 1]


# --- Current state, dimension, facts (rules D1 to D6, F1 to F4) -----------------------------------


def current_row(rows: Sequence[HistoryRow]) -> HistoryRow:
    """Rule D6, SCD 1. The last version in order; a deleted row stays, flagged, with its values."""
    return rows[-1]


@dataclass(frozen=True)
class CurrentRow:
    """The last known state of a row: its values, and whether it still exists."""

    row: Row
    is_deleted: bool


def current_rows(changes: Iterable[Change], table: Table) -> dict[Key, CurrentRow]:
    """Rule D6 for a whole table: the last change of each key."""
    by_key: dict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        by_key[change.key].append(change)
    return {
        key: CurrentRow(last.row, last.op == "d")
        for key, changes in by_key.items()
        for last in settled(changes)[-1:]
    }


def compared_key(key: Key, table: Table) -> Key:
    """The key with one spelling for all that a case-insensitive column takes for the same (K1)."""
    return tuple(
        "".join(map(_folded, value.rstrip(" ")))
        if isinstance(value, str) and table.column(name).collation == "case_insensitive"
        else value
        for name, value in zip(table.primary_key, key, strict=True)
    )


def _folded(letter: str) -> str:
    """K1: Unicode's simple case folding, in the scripts that the rule names."""
    if not ("A" <= letter <= "\u058f" or "\u1e00" <= letter <= "\u1eff"):
        return letter
    # what folds to several letters simply folds to its small one, if that is one
    return next((f for f in (letter.casefold(), letter.lower()) if len(f) == 1), letter)


@dataclass(frozen=True)
class DimensionVersion:
    """A version of a slowly changing dimension (SCD 2), valid from `valid_from` to `valid_to`.

    Of `row` only the key and the tracked columns mean something.
    """

    key: Key
    position: str
    op: str
    row: Row
    valid_from: datetime
    valid_to: datetime

    @property
    def is_current(self) -> bool:
        """Whether this version holds now."""
        return self.valid_to == END_OF_TIME


def collapse(rows: Sequence[HistoryRow], table: Table) -> list[DimensionVersion]:
    """Rules D1 to D5. The versions of one key that differ in tracked columns and were visible."""
    visible = [row for row in rows if is_visible(row)]
    versions: list[DimensionVersion] = []
    previous: str | None = None
    for row in visible:
        tracked = None if row.is_deleted else values_hash(row.row, table, table.tracked_columns)
        if tracked is not None and tracked != previous:
            versions.append(
                DimensionVersion(
                    key=row.key,
                    position=row.position,
                    op=row.op,
                    row=row.row,
                    valid_from=row.valid_from if versions else BEGINNING_OF_TIME,
                    valid_to=END_OF_TIME,
                )
            )
        if versions:
            versions[-1] = replace(versions[-1], valid_to=_end(row, versions[-1]))
        previous = tracked
    return versions


def _end(row: HistoryRow, version: DimensionVersion) -> datetime:
    if row.is_deleted:
        return version.valid_to
    return row.valid_to or END_OF_TIME


@dataclass(frozen=True)
class CustomerVersion:
    """A version of the customer dimension: the customer's row and that of the default address.

    Of the two rows only the key and the tracked columns mean something.
    """

    customer_id: Value
    customer_key: str
    customer: Row
    address: Row | None
    valid_from: datetime
    valid_to: datetime
    is_deleted: bool


def customer_versions(
    customer_id: Value,
    customer: Sequence[HistoryRow],
    addresses: Sequence[Sequence[HistoryRow]],
    customers_table: Table,
    addresses_table: Table,
) -> list[CustomerVersion]:
    """Rule D7. The versions of one customer, from its history and those of its addresses."""
    visible = [row for row in customer if is_visible(row)]
    visible_addresses = [row for rows in addresses for row in rows if is_visible(row)]
    starts = sorted({row.valid_from for row in (*visible, *visible_addresses)})
    versions: list[CustomerVersion] = []
    previous: _State | None = None
    for start, end in zip(starts, [*starts[1:], END_OF_TIME], strict=True):
        row = _as_of(visible, start)
        address = _default_address(visible_addresses, start, addresses_table)
        state = _state(row, address, customers_table, addresses_table)
        if row is None:
            if previous is not None:
                versions[-1] = replace(versions[-1], is_deleted=True)
        elif state == previous:
            versions[-1] = replace(versions[-1], valid_to=end)
        else:
            versions.append(
                CustomerVersion(
                    customer_id=customer_id,
                    customer_key=_customer_key(
                        customer_id,
                        _changes_at(start, visible, customers_table),
                        _changes_at(start, visible_addresses, addresses_table),
                    ),
                    customer=row,
                    address=address,
                    valid_from=start if versions else BEGINNING_OF_TIME,
                    valid_to=end,
                    is_deleted=False,
                )
            )
        previous = state
    return versions


_State = tuple[str, str | None]
"""Hashes of what is tracked of a customer and of the default address."""


def _state(
    customer: Row | None, address: Row | None, customers_table: Table, addresses_table: Table
) -> _State | None:
    if customer is None:
        return None
    tracked = values_hash(customer, customers_table, customers_table.tracked_columns)
    if address is None:
        return tracked, None
    return tracked, values_hash(address, addresses_table, addresses_table.tracked_columns)


def is_visible(row: HistoryRow) -> bool:
    """Rule D1. Whether the row was ever seen: it has not zero length."""
    return row.valid_to is None or row.valid_from < row.valid_to


def _as_of(rows: Iterable[HistoryRow], moment: datetime) -> Row | None:
    for row in rows:
        if row.valid_from <= moment < (row.valid_to or END_OF_TIME):
            return None if row.is_deleted else row.row
    return None


def _default_address(rows: Iterable[HistoryRow], moment: datetime, table: Table) -> Row | None:
    """The default address at `moment`; of several the one with the lowest number."""
    names = [column.name for column in table.landed_columns]
    defaults = [
        row
        for row in rows
        if row.valid_from <= moment < (row.valid_to or END_OF_TIME)
        and not row.is_deleted
        and row.row[names.index("is_default")]
    ]
    return min(defaults, key=lambda row: int(str(row.key[1]))).row if defaults else None


def _changes_at(moment: datetime, rows: Iterable[HistoryRow], table: Table) -> list[str]:
    return [version_id(row, table) for row in rows if row.valid_from == moment]


def _customer_key(customer_id: Value, customer: Sequence[str], addresses: Sequence[str]) -> str:
    """md5 over the customer's id and the identities of what changed at the version's true start."""
    return _md5(f"{customer_id}|{max(customer, default='')}|{max(addresses, default='')}")


UNKNOWN_MEMBER = "unknown member"
INFERRED_MEMBER = "inferred member"


class Version(Protocol):
    """A version of a dimension as facts see it."""

    @property
    def valid_from(self) -> datetime:
        """The moment from which it holds."""


VersionT = TypeVar("VersionT", bound=Version)


def bind(key: Any, at: datetime, dimension: Mapping[Any, Sequence[VersionT]]) -> VersionT | str:
    """Rules F1 to F4. The one member that a fact of `key` at time `at` (UTC) belongs to."""
    if key is None:
        return UNKNOWN_MEMBER
    versions = dimension.get(key, [])
    if not versions:
        return INFERRED_MEMBER
    moment = at.replace(microsecond=at.microsecond // 1000 * 1000)
    valid = [version for version in versions if version.valid_from <= moment]
    return valid[-1] if valid else versions[0]
