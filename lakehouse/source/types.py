"""Which declared types can hold a source's type; docs/types.md says the same to people.

A type that is not named here may be anybody's own: nothing is said of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from ingestion.declarations import TypeName
from ingestion.settings import ConnectorName

_WHOLE = ("smallint", "integer", "bigint", "decimal", "varchar")
_EXACT = ("decimal", "smallint", "integer", "bigint", "varchar")
_BIT = ("boolean", "smallint", "integer", "bigint")
_DATE = ("date", "timestamp", "varchar")
_TIMESTAMP = ("timestamp", "varchar")
_TEXT = ("varchar",)
_FLOAT = ("decimal",)
# whose form its texts have
_ANY = get_args(TypeName)
NO_HOME: tuple[str, ...] = ()

_HOMES: Mapping[ConnectorName, Mapping[tuple[str, ...], tuple[str, ...]]] = {
    "sqlserver": {
        ("bigint", "int", "smallint", "tinyint"): _WHOLE,
        ("bit",): _BIT,
        ("decimal", "numeric", "money", "smallmoney"): _EXACT,
        ("float", "real"): _FLOAT,
        ("date",): _DATE,
        ("datetime", "smalldatetime", "datetime2", "datetimeoffset"): _TIMESTAMP,
        ("time", "binary", "varbinary", "image", "timestamp", "uniqueidentifier", "xml"): _TEXT,
        ("char", "varchar", "text", "nchar", "nvarchar", "ntext"): _ANY,
        ("sql_variant", "hierarchyid", "geometry", "geography", "json", "vector"): NO_HOME,
    },
    "postgresql": {
        ("smallint", "integer", "bigint", "oid", "interval"): _WHOLE,
        ("boolean", "bit"): (*_BIT, "varchar"),
        ("numeric", "money"): _EXACT,
        ("real", "double precision"): _FLOAT,
        ("date",): _DATE,
        ("timestamp without time zone", "timestamp with time zone"): _TIMESTAMP,
        ("time without time zone", "time with time zone", "bytea", "bit varying", "uuid"): _TEXT,
        ("json", "jsonb", "xml", "inet", "cidr", "macaddr", "macaddr8", "tsvector"): _TEXT,
        ("ltree", "hstore", "array", "point", "geometry", "geography", "vector"): _TEXT,
        ("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"): _TEXT,
        ("character", "character varying", "text", "citext"): _ANY,
        ("line", "lseg", "box", "path", "polygon", "circle", "tsquery", "pg_lsn"): NO_HOME,
    },
}
HOMES: Mapping[ConnectorName, Mapping[str, tuple[str, ...]]] = {
    connector: {name: homes for names, homes in groups.items() for name in names}
    for connector, groups in _HOMES.items()
}


def bare_type(spelled: str) -> str:
    """The type without what stands in its brackets; `array` for one of any."""
    return "array" if spelled.endswith("[]") else re.sub(r"\([^)]*\)", "", spelled)


def is_float(spelled: str, connector: ConnectorName) -> bool:
    """Whether values come as numbers that have no text of their own."""
    return HOMES[connector].get(bare_type(spelled)) is _FLOAT


def fractional_seconds(spelled: str) -> int:
    """The digits behind the second that values of a type of moments can have."""
    if told := re.search(r"\((\d)\)", spelled):
        return int(told[1])
    return {"smalldatetime": 0, "datetime": 3}.get(spelled, 6)
