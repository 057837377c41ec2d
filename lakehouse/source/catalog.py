"""What a source's database says of its tables: read from it, or from a file that tells the same.

For a source that cannot be reached from where one works, `lakehouse connector catalog` prints the
file where it can; or with `--print-query` a query, whose answer somebody else saves as a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ingestion.declarations import Large
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.source.database import Database, open_database

if TYPE_CHECKING:
    from lakehouse.settings import CommandSettings


@dataclass(frozen=True)
class SourceColumn:
    """A column with its type as the engine spells it; a computed one is in no change.

    `collation` is a text's, of PostgreSQL's only one that is not deterministic; empty where there
    is none, null in a catalog that was read before it told.
    """

    name: str
    type: str
    computed: bool = False
    nullable: bool = True
    collation: str | None = None

    @property
    def folds(self) -> bool | None:
        """Whether texts that differ in upper and lower case are one key; null if nothing tells."""
        if self.type == "citext":
            return True
        if self.collation is None:
            return None
        # SQL Server's names tell: case sensitive, or by code points.
        return bool(self.collation) and not re.search("_(CS|BIN)", self.collation)

    @property
    def large(self) -> Large | None:
        """What SQL Server's change tables leave out of some images, by its kind."""
        if self.type in ("text", "ntext", "image"):
            return "text"
        return "max" if self.type == "xml" or self.type.endswith("(max)") else None


@dataclass(frozen=True)
class CatalogTable:
    """A table; `replica_identity` is PostgreSQL's, `capture_instances` are SQL Server's.

    The columns of each instance by its name, the newest one last.
    """

    schema: str
    name: str
    columns: tuple[SourceColumn, ...]
    primary_key: tuple[str, ...]
    replica_identity: str = ""
    capture_instances: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def qualified(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Catalog:
    """All tables of a database that the login may see, in the order of their names."""

    connector: ConnectorName
    database: str
    tables: tuple[CatalogTable, ...]

    def json(self) -> str:
        """The file's text."""
        return _FILE.dump_json(self, indent=2).decode()


_FILE = TypeAdapter(Catalog)

# A row of either: schema, table, replica identities, column, whether it is computed, whether it can
# be null, its place in the key or null, type, the type's size where the engine tells it apart, and
# collation or null.
#
# A partitioned table's own replica identity means nothing: what its partitions have counts. A
# domain is what it stands for, as the connector takes it.
_POSTGRESQL = """
select
    namespaces.nspname as "schema",
    tables.relname as "table",
    coalesce(
        (
            select string_agg(distinct leaves.relreplident::text, '')
            from pg_partition_tree(tables.oid) as parts
            inner join pg_class as leaves on leaves.oid = parts.relid
            where parts.isleaf
        ),
        tables.relreplident::text
    ) as replica_identity,
    columns.attname as "column",
    columns.attgenerated <> '' as is_computed,
    not columns.attnotnull as is_nullable,
    array_position(keys.indkey::int2[], columns.attnum) as place_in_key,
    format_type(bases.id, bases.modifier) as type,
    collations.collname as collation_name
from pg_class as tables
inner join pg_namespace as namespaces on namespaces.oid = tables.relnamespace
inner join pg_attribute as columns
    on columns.attrelid = tables.oid and columns.attnum > 0 and not columns.attisdropped
cross join lateral (
    with recursive steps as (
        select columns.atttypid as id, columns.atttypmod as modifier, 0 as step
        union all
        select types.typbasetype, types.typtypmod, steps.step + 1
        from steps
        inner join pg_type as types on types.oid = steps.id and types.typtype = 'd'
    )
    select id, modifier from steps order by step desc limit 1
) as bases
left join pg_index as keys on keys.indrelid = tables.oid and keys.indisprimary
left join pg_collation as collations
    on collations.oid = columns.attcollation and not collations.collisdeterministic
where
    tables.relkind in ('r', 'p')
    and namespaces.nspname <> 'information_schema'
    and namespaces.nspname !~ '^pg_'
order by namespaces.nspname, tables.relname, columns.attnum
"""
_IDENTITIES = {"f": "full", "d": "default", "n": "nothing", "i": "index"}

# An alias type is told by the type that it stands for; only CLR types have none.
_SQLSERVER = """
select
    schema_name(tables.schema_id) as [schema],
    tables.name as [table],
    '' as replica_identity,
    columns.name as [column],
    columns.is_computed,
    columns.is_nullable,
    key_columns.key_ordinal as place_in_key,
    coalesce(type_name(columns.system_type_id), type_name(columns.user_type_id)) as type,
    columns.max_length,
    columns.precision,
    columns.scale,
    columns.collation_name
from sys.tables as tables
inner join sys.columns as columns on columns.object_id = tables.object_id
left join sys.indexes as keys on keys.object_id = tables.object_id and keys.is_primary_key = 1
left join sys.index_columns as key_columns
    on
        key_columns.object_id = keys.object_id
        and key_columns.index_id = keys.index_id
        and key_columns.column_id = columns.column_id
where tables.is_ms_shipped = 0
order by schema_name(tables.schema_id), tables.name, columns.column_id
"""
_COLUMNS = (
    *("schema", "table", "replica_identity", "column", "is_computed", "is_nullable"),
    *("place_in_key", "type"),
)
_SIZES = ("max_length", "precision", "scale")
_COLLATION = "collation_name"
# The schema cdc is there once capture has been enabled for the database.
_IS_CAPTURED = "select object_id(N'cdc.change_tables')"
_CAPTURES = """
select
    schema_name(tables.schema_id),
    tables.name,
    captures.capture_instance,
    columns.column_name
from cdc.change_tables as captures
inner join sys.tables as tables on tables.object_id = captures.source_object_id
inner join cdc.captured_columns as columns on columns.object_id = captures.object_id
order by captures.create_date, captures.capture_instance, columns.column_ordinal
"""


def plain_name(name: str) -> str:
    """What is left of a name when its spelling is set aside: letters and digits, in lower case."""
    return "".join(filter(str.isalnum, name)).lower()


def live_catalog(settings: CommandSettings) -> Catalog:
    """Ask the database of LAKEHOUSE_SOURCE_DSN.

    Raises:
        LakehouseError: it does not answer, or refuses.
    """
    with open_database(settings) as database:
        return read_catalog(database)


def read_catalog(database: Database) -> Catalog:
    """What an open database says; see `live_catalog`."""
    is_postgresql = database.connector == "postgresql"
    statement = _POSTGRESQL if is_postgresql else _SQLSERVER
    instances: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    if not is_postgresql and database.rows(_IS_CAPTURED) != [(None,)]:
        for *place, instance, column in database.rows(_CAPTURES):
            of_table = instances.setdefault((place[0], place[1]), {})
            of_table[instance] = (*of_table.get(instance, ()), column)
    answer = [(*row, collation or "") for *row, collation in database.rows(statement)]
    [(name,)] = database.rows("select current_database()" if is_postgresql else "select db_name()")
    return _told(database.connector, name, answer, instances)


def _told(
    connector: ConnectorName,
    database: str,
    answer: Iterable[tuple[Any, ...]],
    instances: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]],
) -> Catalog:
    """What the answer to the connector's query tells, which has a row for each column."""
    tables = []
    for (schema, table, identity), rows in groupby(answer, lambda row: row[:3]):
        columns: list[SourceColumn] = []
        key: dict[int, str] = {}
        for _, _, _, column, is_computed, is_nullable, place_in_key, kind, *size, collation in rows:
            spelled = _spelled(kind, *size) if size else kind
            marks = bool(is_computed), bool(is_nullable)
            columns.append(SourceColumn(column, spelled, *marks, collation))
            if place_in_key is not None:
                key[place_in_key] = column
        tables.append(
            CatalogTable(
                schema,
                table,
                tuple(columns),
                tuple(key[number] for number in sorted(key)),
                " and ".join(_IDENTITIES[letter] for letter in identity),
                instances.get((schema, table), {}),
            )
        )
    return Catalog(connector, database, tuple(tables))


def catalog_query(connector: ConnectorName) -> str:
    """A query whose answer, one JSON text, `load_catalog` reads; it only reads the catalog."""
    if connector == "postgresql":
        told = _POSTGRESQL.replace("select", "select current_database() as database,", 1)
        # As jsonb, which has no line breaks.
        return f"select json_agg(told)::jsonb from ({told}) as told;\n"
    told = _SQLSERVER.replace("select", "select\n    db_name() as [database],", 1)
    # What is null would be left out.
    return f"{told.strip()}\nfor json path, include_null_values;\n"


def load_catalog(path: Path) -> Catalog:
    """Read what `lakehouse connector catalog` has printed, or the answer to `catalog_query`.

    Raises:
        TerminalError: it is not there, or no such file.
    """
    try:
        content = path.read_bytes()
        text = content.decode(
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        )
        if not text.lstrip().startswith("{"):
            return _answered(text)
        # DBeaver saves the rows under the text of their query
        rows = list(json.loads(text).values())
        if len(rows) == 1 and isinstance(rows[0], list):
            return _answered(json.dumps(rows[0]))
        return _FILE.validate_json(text)
    except (OSError, ValueError, KeyError) as error:
        raise TerminalError(
            f"{path} cannot be read as a source's catalog: `lakehouse connector catalog > {path}` "
            "writes it, and with --print-query a query whose whole answer it may hold as well: "
            f"{_why(error)}"
        ) from error


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return f"it is neither UTF-8 nor UTF-16, save it again as UTF-8 ({error})"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON, or not all of it: save the whole answer again ({error})"
    if isinstance(error, KeyError):
        return f"its rows have no {error}: ask again with the query as it is printed"
    return str(error)


def _answered(text: str) -> Catalog:
    """The catalog in a saved answer to `catalog_query`, with what the client wrote around it.

    SQL Server gives a row for each 2,033 characters (FOR JSON); SSMS saves a grid as CSV, Azure
    Data Studio and VS Code as JSON, each row in an object. No text in JSON has a line break of its
    own.
    """
    lines = re.split(r"[\r\n]+", text[text.find("[") : text.rfind("]") + 1])
    joined = "".join(lines)
    if re.match(r'\[\s*\{\s*""', joined):
        joined = "".join(line.removesuffix('"').removeprefix('"') for line in lines)
        joined = joined.replace('""', '"')
    rows = json.loads(joined)
    if rows and all(isinstance(row, dict) and len(row) == 1 for row in rows):
        parts = [part for row in rows for part in row.values()]
        rows = json.loads("".join(p if isinstance(p, str) else json.dumps(p) for p in parts))
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        raise ValueError("it has no columns in it: save the answer of a login that sees the tables")
    [database] = {row["database"] for row in rows}
    connector: ConnectorName = "sqlserver" if _SIZES[0] in rows[0] else "postgresql"
    names = (*_COLUMNS, *(_SIZES if connector == "sqlserver" else ()))
    # An answer to the query of before does not tell collations.
    answer = [
        (*(row[name] for name in names), (row[_COLLATION] or "") if _COLLATION in row else None)
        for row in rows
    ]
    return _told(connector, database, answer, {})


def _spelled(name: str, length: int, precision: int, scale: int) -> str:
    """A type of SQL Server with what stands in its brackets; -1 bytes are `max`, xml has none."""
    if name in ("decimal", "numeric"):
        return f"{name}({precision},{scale})"
    if name in ("datetime2", "datetimeoffset", "time"):
        return f"{name}({scale})"
    if name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"):
        size = length // 2 if name.startswith("n") else length
        return f"{name}({'max' if length < 0 else size})"
    return name
