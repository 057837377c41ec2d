"""The declarations: what the dbt sources YAML says about each table of the shop, as values.

`models/staging/retail/_retail__sources.yml` is the only place where a table is declared; dbt reads
it by itself, everything in Python reads it through `load`; docs/declarations.md explains each key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.errors import TerminalError
from ingestion.reserved_names import column_taken, table_taken
from ingestion.settings import ConnectorName

SOURCES_FILE = Path(__file__).parent.parent / "models/staging/retail/_retail__sources.yml"
CONNECTORS: tuple[ConnectorName, ...] = ("sqlserver", "postgresql")

History = Literal["all", "current"]
Pii = Literal["exclude", "hash", "clear"]
Collation = Literal["binary", "case_insensitive"]
TypeName = Literal[
    "smallint", "integer", "bigint", "decimal", "varchar", "boolean", "date", "timestamp"
]

_TYPE = re.compile(
    r"(?P<plain>smallint|integer|bigint|boolean|date|timestamp)"
    r"|varchar\((?P<length>[1-9][0-9]*)\)"
    r"|decimal\((?P<precision>[1-9][0-9]?),\s*(?P<scale>[0-9]{1,2})\)"
)
# SUPER holds strings of at most 65,535 bytes (Amazon Redshift, "SUPER type limitations"), and a
# value has to be accepted or rejected alike on every engine.
MAX_VARCHAR = 65535
MAX_PRECISION = 38


@dataclass(frozen=True)
class DataType:
    """A declared type: its name, and `length` (characters) or `precision` and `scale` (digits)."""

    name: TypeName
    length: int | None = None
    precision: int | None = None
    scale: int | None = None

    def __str__(self) -> str:
        if self.name == "varchar":
            return f"varchar({self.length})"
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        return self.name


@dataclass(frozen=True)
class Column:
    """A column of the row inside the change event."""

    name: str
    type: DataType
    description: str
    nullable: bool
    pii: Pii | None
    collation: Collation
    source_columns: Mapping[str, str]

    def source_name(self, connector: ConnectorName) -> str:
        """The column's name in the database that `connector` reads, so in the event's row."""
        if connector in self.source_columns:
            return self.source_columns[connector]
        return pascal_case(self.name) if connector == "sqlserver" else self.name


@dataclass(frozen=True)
class Table:
    """A declared table."""

    name: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    history: History
    tracked_columns: tuple[str, ...]
    topics: Mapping[str, str]
    partitions: int
    topic_retention_days: int
    landing_retention_days: int

    def column(self, name: str) -> Column:
        """The column called `name`; raises KeyError when there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def landed_columns(self) -> tuple[Column, ...]:
        """The columns that leave the source: all but those with `pii: exclude`."""
        return tuple(column for column in self.columns if column.pii != "exclude")


@dataclass(frozen=True)
class Connector:
    """One connector of the source: its topic prefix, and the epoch of each prefix it ever had."""

    name: ConnectorName
    topic_prefix: str
    epochs: Mapping[str, int]

    @property
    def epoch(self) -> int:
        """The epoch that leads the positions of the current prefix."""
        return self.epochs[self.topic_prefix]

    @property
    def heartbeat_topic(self) -> str:
        """Debezium's heartbeat topic (Debezium reference, `topic.heartbeat.prefix`)."""
        return f"__debezium-heartbeat.{self.topic_prefix}"

    @property
    def transaction_topic(self) -> str:
        """Debezium's transaction metadata topic (`provide.transaction.metadata`)."""
        return f"{self.topic_prefix}.transaction"

    @property
    def schema_change_topic(self) -> str:
        """Debezium's schema change topic, named as the prefix (`include.schema.changes`)."""
        return self.topic_prefix

    @property
    def schema_history_topic(self) -> str:
        """Where the SQL Server connector keeps the tables' past structure."""
        return f"schema-history.{self.topic_prefix}"


@dataclass(frozen=True)
class Declarations:
    """All declared tables of the source `retail`, in the order of the file."""

    tables: tuple[Table, ...]
    connectors: Mapping[ConnectorName, Connector]

    def table(self, name: str) -> Table:
        """The table called `name`.

        Raises:
            TerminalError: no such table; the message lists the declared ones.
        """
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables)
        raise TerminalError(f"table {name!r} is not declared; declared tables: {known}")

    def select(self, names: tuple[str, ...] | list[str]) -> tuple[Table, ...]:
        """The tables called `names`, or all of them for an empty selection."""
        return tuple(self.table(name) for name in names) if names else self.tables


def pascal_case(name: str) -> str:
    """`customer_id` as SQL Server tables of the shop spell it: `CustomerId`."""
    return "".join(part.capitalize() for part in name.split("_"))


def load(path: Path = SOURCES_FILE) -> Declarations:
    """Read and check the declarations in `path`.

    Raises:
        TerminalError: naming file, table, column and the allowed values, for every mistake at once.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise TerminalError(f"{path}: cannot be read as YAML: {error}") from error
    sources = document.get("sources") if isinstance(document, dict) else None
    if not isinstance(sources, list) or len(sources) != 1:
        raise TerminalError(f"{path}: exactly one entry is expected under `sources`")
    problems: list[str] = []
    try:
        parsed = _Source.model_validate(sources[0])
    except ValidationError as error:
        raise TerminalError(
            "\n".join(f"{path}: {line}" for line in _explain(sources[0], error))
        ) from error
    tables = tuple(_table(entry, problems) for entry in parsed.tables)
    _check_unique([table.name for table in tables], "table", problems)
    _check_stream_names([table.name for table in tables], problems)
    for connector in CONNECTORS:
        _check_unique([table.topics[connector] for table in tables], f"{connector} topic", problems)
    connectors = {
        name: _connector(name, parsed.config.meta.connectors[name], problems) for name in CONNECTORS
    }
    if problems:
        raise TerminalError("\n".join(f"{path}: {problem}" for problem in problems))
    return Declarations(tables=tables, connectors=connectors)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class _ColumnMeta(_Entry):
    nullable: bool = False
    pii: Pii | None = None
    collation: Collation = "binary"
    source_columns: dict[ConnectorName, str] = Field(default_factory=dict)


class _ColumnConfig(_Entry):
    meta: _ColumnMeta = Field(default_factory=_ColumnMeta)


class _Column(_Entry):
    name: _Name
    data_type: str
    description: Annotated[str, Field(min_length=1)]
    config: _ColumnConfig = Field(default_factory=_ColumnConfig)


class _Topics(_Entry):
    sqlserver: str
    postgresql: str


class _TableMeta(_Entry):
    topics: _Topics
    primary_key: Annotated[list[str], Field(min_length=1)]
    history: History
    tracked_columns: list[str] = Field(default_factory=list)
    partitions: Annotated[int, Field(ge=1)]
    topic_retention_days: Annotated[int, Field(ge=1)]
    landing_retention_days: Annotated[int, Field(ge=1)]


class _TableConfig(BaseModel):
    model_config = ConfigDict(extra="allow")
    meta: _TableMeta


class _Table(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: _Name
    description: Annotated[str, Field(min_length=1)]
    config: _TableConfig
    columns: Annotated[list[_Column], Field(min_length=1)]


class _Connector(_Entry):
    topic_prefix: str
    epochs: Annotated[dict[str, Annotated[int, Field(ge=1, le=9999)]], Field(min_length=1)]


class _Connectors(_Entry):
    sqlserver: _Connector
    postgresql: _Connector

    def __getitem__(self, name: str) -> _Connector:
        return self.sqlserver if name == "sqlserver" else self.postgresql


class _SourceMeta(BaseModel):
    model_config = ConfigDict(extra="allow")
    connectors: _Connectors


class _SourceConfig(BaseModel):
    model_config = ConfigDict(extra="allow")
    meta: _SourceMeta


class _Source(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    config: _SourceConfig
    tables: Annotated[list[_Table], Field(min_length=1)]


def _connector(name: ConnectorName, entry: _Connector, problems: list[str]) -> Connector:
    newest = max(entry.epochs, key=lambda prefix: entry.epochs[prefix])
    if newest != entry.topic_prefix or len(set(entry.epochs.values())) != len(entry.epochs):
        problems.append(
            f"connector {name}: epochs {entry.epochs} must give every topic prefix its own number, "
            f"the current prefix {entry.topic_prefix!r} the highest"
        )
    return Connector(name, entry.topic_prefix, entry.epochs)


def _table(entry: _Table, problems: list[str]) -> Table:
    meta = entry.config.meta
    where = f"table {entry.name}"
    columns = tuple(_column(entry.name, column, problems) for column in entry.columns)
    names = [column.name for column in columns]
    _check_unique(names, f"column of {where}", problems)
    _check_names(entry.name, columns, meta.primary_key, problems)
    for key, listed in (
        ("primary_key", meta.primary_key),
        ("tracked_columns", meta.tracked_columns),
    ):
        for name in listed:
            if name not in names:
                problems.append(
                    f"{where}: {key} names {name!r}, which is no column; "
                    f"columns: {', '.join(names)}"
                )
    for column in columns:
        if column.name in meta.primary_key and (column.nullable or column.pii is not None):
            problems.append(
                f"{where}, column {column.name}: a key column is neither nullable nor pii"
            )
        if column.pii == "exclude" and column.name in meta.tracked_columns:
            problems.append(
                f"{where}, column {column.name}: pii: exclude never leaves the source, "
                "so it cannot be tracked"
            )
    if bool(meta.tracked_columns) != (meta.history == "all"):
        problems.append(
            f"{where}: history is {meta.history!r}; tracked_columns belong to history: all, "
            "and only there"
        )
    return Table(
        name=entry.name,
        description=entry.description,
        columns=columns,
        primary_key=tuple(meta.primary_key),
        history=meta.history,
        tracked_columns=tuple(meta.tracked_columns),
        topics=meta.topics.model_dump(),
        partitions=meta.partitions,
        topic_retention_days=meta.topic_retention_days,
        landing_retention_days=meta.landing_retention_days,
    )


def _check_names(
    table: str, columns: tuple[Column, ...], key: list[str], problems: list[str]
) -> None:
    """Names that something else has, and source columns that two columns would be read from."""
    if taken := table_taken(table):
        problems.append(
            f"table {table}: the name {taken}; give the table another `name`, its topics can stay"
        )
    for column in columns:
        if taken := column_taken(table, column.name, is_key=column.name in key):
            problems.append(
                f"table {table}, column {column.name}: the name {taken}; give the column another "
                f"one, wherever the table names it, and say what it is in the source: "
                f"{_renamed(column)}"
            )
    for connector in CONNECTORS:
        read: dict[str, str] = {}
        for column in columns:
            source = column.source_name(connector)
            # case aside: SQL Server's names and DuckDB's struct fields know none
            other = read.setdefault(source.lower(), column.name)
            if other != column.name:
                problems.append(
                    f"table {table}, column {column.name}: reads {source!r} of {connector}, which "
                    f"is column {other}'s; a source column is declared once (upper and lower case "
                    "are one). Name the right one under `source_columns`"
                )


def _renamed(column: Column) -> str:
    """A line of the declarations by which `column` has another name and the same source."""
    sources = {str(connector): column.source_name(connector) for connector in CONNECTORS}
    line = {"name": f"shop_{column.name}", "config": {"meta": {"source_columns": sources}}}
    text: str = yaml.safe_dump(line, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip()


def _column(table: str, entry: _Column, problems: list[str]) -> Column:
    meta = entry.config.meta
    where = f"table {table}, column {entry.name}"
    data_type = parse_type(entry.data_type)
    if data_type is None:
        problems.append(
            f"{where}: data_type {entry.data_type!r} is not allowed; allowed: smallint, integer, "
            f"bigint, boolean, date, timestamp, varchar(1..{MAX_VARCHAR}), "
            f"decimal(1..{MAX_PRECISION},scale)"
        )
        data_type = DataType("varchar", length=1)
    if meta.collation != "binary" and data_type.name != "varchar":
        problems.append(f"{where}: collation belongs to varchar columns, this one is {data_type}")
    if meta.pii == "hash" and (data_type.name != "varchar" or (data_type.length or 0) < 64):
        problems.append(f"{where}: pii: hash needs varchar(64) or longer, this one is {data_type}")
    return Column(
        name=entry.name,
        type=data_type,
        description=entry.description,
        nullable=meta.nullable,
        pii=meta.pii,
        collation=meta.collation,
        source_columns={str(name): column for name, column in meta.source_columns.items()},
    )


def parse_type(text: str) -> DataType | None:
    """The declared type that `text` spells, or None when it spells none."""
    match = _TYPE.fullmatch(text)
    if match is None:
        return None
    plain: Any = match["plain"]
    if plain:
        return DataType(plain)
    if match["length"]:
        length = int(match["length"])
        return DataType("varchar", length=length) if length <= MAX_VARCHAR else None
    precision, scale = int(match["precision"]), int(match["scale"])
    if precision > MAX_PRECISION or scale > precision:
        return None
    return DataType("decimal", precision=precision, scale=scale)


def _check_unique(names: list[str], what: str, problems: list[str]) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{what} {name!r} is declared twice")


def _check_stream_names(names: list[str], problems: list[str]) -> None:
    """On Redshift the streams of a table are called by it and its topic's incarnation."""
    for name in names:
        own = re.fullmatch(r"(.+)_[0-9]+(_archive)?", name)
        if own and own[1] in names:
            problems.append(
                f"table {name}: the name is that of a stream of table {own[1]} on Redshift; give "
                "the table another `name`, its topics can stay"
            )


def _explain(source: Any, error: ValidationError) -> list[str]:
    """Pydantic's findings as sentences that name table, column and key, with the allowed values."""
    lines = []
    for finding in error.errors():
        place: list[str] = []
        node: Any = source
        for step in finding["loc"]:
            node = node[step] if _has(node, step) else None
            if isinstance(step, int) and isinstance(node, dict) and "name" in node:
                kind = {"tables": "table", "columns": "column"}.get(place[-1], place[-1])
                place[-1] = f"{kind} {node['name']}"
            elif isinstance(step, int):
                place[-1] = f"{place[-1]}[{step}]"
            else:
                place.append(str(step))
        found = "" if finding["type"] == "missing" else f" (found {finding['input']!r})"
        lines.append(f"{', '.join(place)}: {finding['msg']}{found}")
    return lines


def _has(node: Any, step: Any) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and step in node
