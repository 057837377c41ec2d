"""What of a table is compared, and the SQL that the comparisons share.

Columns that are not the table's own begin with an underscore, which no declared column does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from hashlib import md5, sha256
from math import floor, isfinite
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from ingestion.declarations import Column, Table
from ingestion.errors import TerminalError
from lakehouse.case_folding import compared_key, folded
from lakehouse.source.tenants import rows_of

if TYPE_CHECKING:
    import duckdb

SHOWN = 20
"""Differing keys of a table that are shown."""

# As the connector's transform does it (infra/connectors/transforms): lower-case hex of SHA-256 over
# the salt's and the value's UTF-8, cut to the column's length; null stays null.
_HASHED = "left(sha256('{salt}' || {column}), {length})"


@dataclass(frozen=True)
class Scope:
    """Which columns of a table are compared, and how the source's values are made comparable."""

    table: Table
    salt: str
    tenant: str = ""
    """Whose rows they are, where the source has tenants."""

    def __post_init__(self) -> None:
        """Raises TerminalError where no row can be found: without a key, or its salt."""
        if not self.table.primary_key:
            raise TerminalError(
                f"table {self.table.name} is declared without a key: nothing tells which row of "
                "the source a change was of"
            )
        if self.has_hashed_key and not self.salt:
            raise TerminalError(
                f"table {self.table.name}: its key is declared pii: hash, so without the salt no "
                "row of the source is found in the warehouse: set LAKEHOUSE_PII_SALT"
            )

    @property
    def mine(self) -> str:
        """SQL on rows of the warehouse: they are of the tenant that is meant."""
        return rows_of(self.tenant)

    @property
    def has_hashed_key(self) -> bool:
        """Whether the warehouse has the key's hash, by which the source cannot be asked."""
        return any(self.table.column(name).pii == "hash" for name in self.table.primary_key)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The compared columns: all landed ones, hashed ones only where the salt is known."""
        return tuple(
            column for column in self.table.landed_columns if column.pii != "hash" or self.salt
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The compared columns' names."""
        return tuple(column.name for column in self.columns)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Landed columns that cannot be compared, as table.column."""
        return tuple(
            f"{self.table.name}.{column.name}"
            for column in self.table.landed_columns
            if column not in self.columns
        )

    @property
    def compared(self) -> str:
        """SQL: the compared columns, and the key's where it is compared in another spelling."""
        return ", ".join(dict.fromkeys((*self.names, *compared_key(self.table))))

    def source_value(self, column: Column) -> str:
        """SQL: the source's text as the value that the warehouse should hold."""
        if column.pii == "hash":
            salt = self.salt.replace("'", "''")
            return _HASHED.format(salt=salt, column=column.name, length=column.type.length)
        return f"cast({column.name} as {column.type})"

    def text(self, column: Column, value: Any) -> str | None:
        """A value as the source's driver gives it, as the text of what the warehouse holds."""
        if column.pii == "hash" and value is not None:
            salted = f"{self.salt}{canonical(value, column)}".encode()
            return sha256(salted).hexdigest()[: column.type.length]
        return canonical(value, column)

    def fingerprint(self, texts: Mapping[str, str | None]) -> str:
        """The hash of the compared columns' texts (C2)."""
        joined = "".join(
            f"|{name}={_escaped(text)}" for name in self.names if (text := texts[name]) is not None
        )
        return md5(joined.encode(), usedforsecurity=False).hexdigest()

    def key_hash(self, texts: Mapping[str, str | None]) -> str:
        """The hash of the key (C3), of its one spelling where upper and lower case are one."""
        parts = [_escaped(self.tenant)] if self.tenant else []
        for name in self.table.primary_key:
            parts.append(_escaped(folded(texts[name] or "", self.table.column(name))))
        return md5("|".join(parts).encode(), usedforsecurity=False).hexdigest()


def canonical(value: Any, column: Column) -> str | None:
    """The canonical text of a driver's value (docs/semantics.md, C1), text before its escapes."""
    if value is None:
        return None
    match column.type.name:
        case "boolean":
            return "true" if value else "false"
        case "decimal":
            unit, exact = Decimal(1).scaleb(-(column.type.scale or 0)), Context(prec=99)
            number = _rounded(value, unit) if column.from_float else Decimal(value)
            if not number.is_finite():
                return None  # NaN and the infinities of PostgreSQL
            return f"{exact.plus(number.quantize(unit, context=exact)):f}"
        case "timestamp" if isinstance(value, datetime):
            return _in_utc(value, column).isoformat(sep=" ", timespec="microseconds")
    # SQL Server's connector spells these in capitals
    return str(value).upper() if isinstance(value, UUID) else str(value)


def _rounded(value: Any, unit: Decimal) -> Decimal:
    """A float as the log rounds it (docs/types.md), in doubles."""
    number = float(value)
    if not isfinite(number):
        return Decimal(number)
    return floor(abs(number) * float(1 / unit) + 0.5) * unit * (-1 if number < 0 else 1)


def _in_utc(moment: datetime, column: Column) -> datetime:
    """A time of the source as the log has it: of an hour that comes twice the second one."""
    if moment.tzinfo:
        return moment.astimezone(UTC).replace(tzinfo=None)
    if column.time_zone is None or not 1970 <= moment.year < 9999:
        return moment
    local = moment.replace(tzinfo=ZoneInfo(column.time_zone))
    return max(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)).replace(tzinfo=None)


def _escaped(text: str) -> str:
    return text.replace("~", "~0").replace("|", "~1")


def differs(names: Sequence[str]) -> str:
    """SQL: whether a row of `source` and one of `warehouse` differ in one of `names`."""
    return " or ".join(f"source.{name} is distinct from warehouse.{name}" for name in names)


def key_text(names: Sequence[str], key: Sequence[object]) -> str:
    """A key as people read it."""
    return ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))


def only_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The single row of `query`."""
    return tuple(connection.execute(query).fetchone() or ())
