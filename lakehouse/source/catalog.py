"""What a source's database says of its tables: read from it, or from a file that tells the same.

`lakehouse connector catalog` prints the file, for a source that cannot be reached from where one
works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ingestion.declarations import Large
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.source.database import Database


@dataclass(frozen=True)
class SourceColumn:
    """A column with its type as the engine spells it; a computed one is in no change."""

    name: str
    type: str
    computed: bool = False

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

# A partitioned table's own replica identity means nothing: what its partitions have counts.
_POSTGRESQL = """
select
    namespaces.nspname,
    tables.relname,
    coalesce(
        (
            select string_agg(distinct leaves.relreplident::text, '')
            from pg_partition_tree(tables.oid) as parts
            inner join pg_class as leaves on leaves.oid = parts.relid
            where parts.isleaf
        ),
        tables.relreplident::text
    ),
    columns.attname,
    format_type(columns.atttypid, columns.atttypmod),
    columns.attgenerated <> '',
    array_position(keys.indkey::int2[], columns.attnum)
from pg_class as tables
inner join pg_namespace as namespaces on namespaces.oid = tables.relnamespace
inner join pg_attribute as columns
    on columns.attrelid = tables.oid and columns.attnum > 0 and not columns.attisdropped
left join pg_index as keys on keys.indrelid = tables.oid and keys.indisprimary
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
    schema_name(tables.schema_id),
    tables.name,
    columns.name,
    coalesce(type_name(columns.system_type_id), type_name(columns.user_type_id)),
    columns.max_length,
    columns.precision,
    columns.scale,
    columns.is_computed,
    key_columns.key_ordinal
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


def read_catalog(database: Database) -> Catalog:
    """Ask `database`.

    Raises:
        LakehouseError: it does not answer, or refuses.
    """
    is_postgresql = database.connector == "postgresql"
    tables = _postgresql_tables(database) if is_postgresql else _sqlserver_tables(database)
    name = "current_database()" if is_postgresql else "db_name()"
    [(called,)] = database.rows(f"select {name}")
    return Catalog(database.connector, called, tables)


def load_catalog(path: Path) -> Catalog:
    """Read the file that `lakehouse connector catalog` has printed.

    Raises:
        TerminalError: it is not there, or no such file.
    """
    try:
        return _FILE.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise TerminalError(
            f"{path} cannot be read as a source's catalog; `lakehouse connector catalog > {path}` "
            f"writes it: {error}"
        ) from error


def _postgresql_tables(database: Database) -> tuple[CatalogTable, ...]:
    found = []
    for place, rows in groupby(database.rows(_POSTGRESQL), lambda row: row[:3]):
        schema, name, identities = place
        told = [(SourceColumn(*row[3:6]), row[6]) for row in rows]
        identity = " and ".join(_IDENTITIES[letter] for letter in identities)
        found.append(_table(schema, name, told, identity))
    return tuple(found)


def _sqlserver_tables(database: Database) -> tuple[CatalogTable, ...]:
    captures: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    [(is_captured,)] = database.rows(_IS_CAPTURED)
    for schema, table, instance, column in database.rows(_CAPTURES) if is_captured else ():
        instances = captures.setdefault((schema, table), {})
        instances[instance] = (*instances.get(instance, ()), column)
    found = []
    for (schema, name), rows in groupby(database.rows(_SQLSERVER), lambda row: row[:2]):
        told = [(SourceColumn(row[2], _spelled(*row[3:7]), bool(row[7])), row[8]) for row in rows]
        table = _table(schema, name, told)
        found.append(replace(table, capture_instances=captures.get((schema, name), {})))
    return tuple(found)


def _table(
    schema: str, name: str, told: list[tuple[SourceColumn, int | None]], identity: str = ""
) -> CatalogTable:
    """A table of columns, each with its place in the primary key or none."""
    key = sorted((place, column.name) for column, place in told if place is not None)
    columns = tuple(column for column, _ in told)
    return CatalogTable(schema, name, columns, tuple(name for _, name in key), identity)


def _spelled(name: Any, length: int, precision: int, scale: int) -> str:
    """A type of SQL Server with what stands in its brackets; -1 bytes are `max`, xml has none."""
    if name in ("decimal", "numeric"):
        return f"{name}({precision},{scale})"
    if name in ("datetime2", "datetimeoffset", "time"):
        return f"{name}({scale})"
    if name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"):
        size = length // 2 if name.startswith("n") else length
        return f"{name}({'max' if length < 0 else size})"
    return str(name)
