"""The declarations: what the dbt sources YAML says about each table of the shop, as values.

`SOURCES_FILE`, dbt's source with `connectors`, is the only place where a table is declared; dbt
reads it by itself, Python through `load` (on Glue it is named); docs/declarations.md has the keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from zoneinfo import available_timezones

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from ingestion.errors import TerminalError, UsageError
from ingestion.reserved_names import column_taken, table_taken
from ingestion.settings import ConnectorName

_STAGING = Path(__file__).parent.parent / "models/staging"
_OURS = (f for f in _STAGING.glob("*/_*__sources.yml") if "connectors:" in f.read_text("utf-8"))
SOURCES_FILE = next(_OURS, _STAGING / "<source>/_<source>__sources.yml")
SOURCE = SOURCES_FILE.parent.name
"""dbt's source: its name is in those of its folder, files and staging views, and of secrets."""
CONNECTORS: tuple[ConnectorName, ...] = ("sqlserver", "postgresql")

History = Literal["all", "current", "none"]
Pii = Literal["exclude", "hash", "clear"]
Collation = Literal["binary", "case_insensitive"]
ReplicaIdentity = Literal["full", "default"]
Large = Literal["max", "text"]
OnInvalid = Literal["reject", "null"]
TooLong = Literal["reject", "truncate"]
Naming = Literal["snake_case", "PascalCase"]
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


def _allowed_type(text: Any) -> DataType:
    data_type = parse_type(text) if isinstance(text, str) else None
    if data_type is None:
        raise ValueError(
            f"{text!r} is not allowed; allowed: smallint, integer, bigint, boolean, date, "
            f"timestamp, varchar(1..{MAX_VARCHAR}), decimal(1..{MAX_PRECISION},scale)"
        )
    return data_type


TENANT = "tenant"  # the first column of every key, where the source has tenants


class _OfTenants(Mapping[ConnectorName, Any]):
    """What each tenant has its own of: nobody gets it without saying whose."""

    def __init__(self, tenants: Iterable[str]) -> None:
        self._tenants = ", ".join(tenants)

    def _refuse(self, *_: object) -> NoReturn:
        raise TerminalError(f"the source has tenants ({self._tenants}): say which by --tenant")

    __getitem__ = __iter__ = __len__ = _refuse


class _OfConnectors(dict[ConnectorName, Any]):
    """A value for each connector that the source has."""

    def __missing__(self, name: ConnectorName) -> Any:
        raise TerminalError(
            f"{name} is not declared, only {', '.join(self)}: LAKEHOUSE_SOURCE says which is read"
        )


def _within(entry: Any, *keys: str) -> dict[str, Any]:
    """The mapping under `keys`; empty where there is none."""
    for key in keys:
        entry = entry.get(key) if isinstance(entry, dict) else None
    return entry if isinstance(entry, dict) else {}


def _of_column(entry: Any) -> Any:
    """A column's entry, and beside it what its `config.meta` says: no other key is known."""
    beside = {**_within(entry), **_within(entry, "config")}
    beside = {key: value for key, value in beside.items() if key not in ("config", "meta")}
    return {**_within(entry, "config", "meta"), **beside}


def _of_table(entry: Any) -> Any:
    """What is ours of a table's entry: dbt has keys of its own there."""
    own = {key: value for key, value in _within(entry).items() if key in _TABLES_OWN}
    return {**_within(entry, "config", "meta"), **own}


def _listed(given: Any) -> Any:
    """One name is a list of one."""
    if re.search(r"\{[{%#]", str(given)):
        raise ValueError("dbt takes {{, {% and {# for Jinja, so no name can have them")
    return (given,) if isinstance(given, str) else given


_TABLES_OWN = ("name", "description", "columns")
_EXACT = ConfigDict(extra="forbid")
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
_Text = Annotated[str, Field(min_length=1)]
_SourceNames = Annotated[tuple[_Text, ...], BeforeValidator(_listed), Field(min_length=1)]
_Count = Annotated[int, Field(ge=1, strict=True)]


@dataclass(frozen=True)
class Column:
    """A column of the row inside the change event."""

    __pydantic_config__ = _EXACT

    name: _Name
    type: Annotated[DataType, BeforeValidator(_allowed_type), Field(validation_alias="data_type")]
    description: _Text
    nullable: Annotated[bool, Field(strict=True)] = False
    pii: Pii | None = None
    collation: Collation = "binary"
    large: Large | None = None
    computed: Annotated[bool, Field(strict=True)] = False
    from_float: Annotated[bool, Field(strict=True)] = False
    time_zone: str | None = None
    on_invalid: Annotated[OnInvalid | None, BeforeValidator(lambda given: given or "null")] = None
    too_long: TooLong = "reject"
    fractional_seconds: Annotated[int, Field(ge=0, le=6, strict=True)] | None = None
    source_columns: Mapping[ConnectorName, _SourceNames] = field(default_factory=dict)

    def source_names(self, connector: ConnectorName) -> tuple[str, ...]:
        """What the source of `connector` calls the column, and called it before, newest first."""
        rule = NAMING[connector]
        return self.source_columns.get(connector) or (in_source(self.name, rule),)

    def source_name(self, connector: ConnectorName) -> str:
        """The column's name there now."""
        return self.source_names(connector)[0]


@dataclass(frozen=True)
class Table:
    """A declared table."""

    __pydantic_config__ = _EXACT

    name: _Name
    description: _Text
    columns: Annotated[
        tuple[Annotated[Column, BeforeValidator(_of_column)], ...], Field(min_length=1)
    ]
    primary_key: tuple[str, ...]
    history: History
    topics: Annotated[Mapping[ConnectorName, str], AfterValidator(_OfConnectors)]
    partitions: _Count
    topic_retention_days: _Count
    landing_retention_days: _Count
    tracked_columns: tuple[str, ...] = ()
    replica_identity: ReplicaIdentity = "full"
    column_naming: Mapping[ConnectorName, Naming] = field(default_factory=dict)
    source_tables: Mapping[ConnectorName, _SourceNames] = field(default_factory=dict)

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

    __pydantic_config__ = _EXACT

    name: ConnectorName
    topic_prefix: str
    epochs: Annotated[
        Mapping[str, Annotated[int, Field(ge=1, le=9999, strict=True)]], Field(min_length=1)
    ]
    column_naming: Naming | None = None
    database: _SourceNames = ()

    def topics(self, declared: str) -> tuple[str, ...]:
        """A table's topic and those it had; its prefix and database may be the connector's."""
        prefixes = sorted(self.epochs, key=lambda prefix: -self.epochs[prefix])
        databases = [topic_part(name) for name in self.database] or ["{database}"]
        return tuple(
            declared.replace("{prefix}", prefix).replace("{database}", database)
            for prefix in prefixes
            for database in databases
        )

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
    def notification_topic(self) -> str:
        """What the connector says of its snapshots (`notification.sink.topic.name`)."""
        return f"{self.topic_prefix}.notification"

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
    """All declared tables of the source, in the order of the file."""

    tables: tuple[Annotated[Table, BeforeValidator(_of_table)], ...]
    connectors: Annotated[
        Mapping[ConnectorName, Connector], Field(min_length=1), AfterValidator(_OfConnectors)
    ]
    tenants: Mapping[str, Declarations] = field(default_factory=dict)
    tenant: str = ""
    """The source as each `tenant` has it; topics and connectors are theirs then."""

    @property
    def parts(self) -> tuple[Declarations, ...]:
        """The source by tenant: whose connectors and topics are all that there are."""
        return tuple(self.tenants.values()) or (self,)

    def table(self, name: str) -> Table:
        """The table called `name`.

        Raises:
            UsageError: no such table; the message lists the declared ones.
        """
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables)
        raise UsageError(f"table {name!r} is not declared; declared tables: {known}")

    def select(self, names: tuple[str, ...] | list[str]) -> tuple[Table, ...]:
        """The tables called `names`, or all of them for an empty selection."""
        return tuple(self.table(name) for name in names) if names else self.tables


def topic_part(name: str) -> str:
    """A part of a topic's name (io.debezium.schema.AbstractTopicNamingStrategy), in UTF-16."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", re.sub(r"[^\0-\uffff]", "__", name))


NAMING: Mapping[ConnectorName, Naming] = {"sqlserver": "PascalCase", "postgresql": "snake_case"}


def in_source(name: str, naming: Naming) -> str:
    """`customer_id` as the source spells it: `CustomerId` by PascalCase."""
    if naming == "snake_case":
        return name
    return "".join(part.capitalize() for part in name.split("_"))


def _named(declared: Declarations) -> Declarations:
    """`declared` with the source's names of columns where a connector or table has its own rule."""
    own: dict[ConnectorName, Naming] = {
        name: connector.column_naming
        for name, connector in declared.connectors.items()
        if connector.column_naming
    }
    tables = []
    for table in declared.tables:
        rules = {**own, **table.column_naming}.items()
        columns = [
            replace(
                column,
                source_columns={
                    **{name: (in_source(column.name, rule),) for name, rule in rules},
                    **column.source_columns,
                },
            )
            for column in table.columns
        ]
        topics = dict(table.topics)
        for name in topics.keys() & declared.connectors.keys():
            topics[name] = declared.connectors[name].topics(topics[name])[0]
        tables.append(replace(table, columns=tuple(columns), topics=_OfConnectors(topics)))
    return replace(declared, tables=tuple(tables))


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
    has_tenants = "tenants" in _within(sources[0], "config", "meta")
    declared, problems = (_read_tenants if has_tenants else _read)(sources[0])
    if declared is None or problems:
        raise TerminalError("\n".join(f"{path}: {problem}" for problem in problems))
    return declared


def _read(source: Any, of_tenant: Any = None) -> tuple[Declarations | None, list[str]]:
    """The source, or as a tenant has it, and what is wrong with it."""
    shaped = _declared(source, of_tenant)
    try:
        declared = _named(_SHAPE.validate_python(shaped))
        return declared, list(_problems(declared))
    except ValidationError as error:
        return None, _explain(shaped, error)


def _read_tenants(source: Any) -> tuple[Declarations | None, list[str]]:
    """The source with all its tenants, and what is wrong with it."""
    tenants = source["config"]["meta"]["tenants"]
    if not isinstance(tenants, dict) or not tenants:
        return None, [f"tenants: e.g. de: {{sqlserver: {{database: ShopDE}}}}; not {tenants!r}"]
    parts: dict[str, Declarations] = {}
    for name, own in tenants.items():
        if not (isinstance(name, str) and re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,62}", name)):
            return None, [f"tenant {name!r}: letters, digits, _, -; in quotes if no text: 'no'"]
        part, problems = _read(source, own)
        if any("column_naming" in _within(own, each) for each in _within(own)):
            problems += ["column_naming is a connector's or a table's: tenants spell alike"]
        if part is None or problems:
            return None, [f"tenant {name}: {problem}" for problem in problems]
        parts[name] = replace(part, tenant=name)
    first = next(iter(parts.values()))
    problems = [
        f"table {table.name}, column {TENANT}: the name is that of the tenants' column; give this "
        f"one another, and say what it is in the source: {_renamed(column)}"
        for table in first.tables
        for column in table.columns
        if column.name == TENANT
    ]
    every = dict.fromkeys(name for part in parts.values() for name in part.connectors)
    for name, part in parts.items():
        lacking = every.keys() - part.connectors.keys()
        problems += [f"tenant {name}: connector {each} is missing" for each in sorted(lacking)]
    for connector in every if not problems else ():
        declared = [_within(t, "config", "meta", "topics")[connector] for t in source["tables"]]
        topics: list[str] = []
        for own in (part.connectors[connector] for part in parts.values()):
            topics += dict.fromkeys(topic for each in declared for topic in own.topics(each))
        problems += _twice(topics, f"{connector} topic")
    owned = _OfTenants(parts)
    tables = tuple(replace(table, topics=owned) for table in first.tables)
    return Declarations(tables, owned, parts), problems


_SHAPE = TypeAdapter(Declarations)


def _declared(source: Any, of_tenant: Any) -> dict[str, Any]:
    """Tables and connectors of dbt's source; a connector's name is its key."""
    common = _within(source, "config", "meta", "connectors")
    connectors = {
        name: {**_within(common, name), **_within(of_tenant, name), "name": name}
        for name in (*common, *_within(of_tenant))
    }
    tables = {key: given or () for key, given in _within(source).items() if key == "tables"}
    return {**tables, "connectors": connectors}


def _problems(declared: Declarations) -> Iterator[str]:
    """What is wrong although each value is allowed where it stands."""
    for table in declared.tables:
        yield from _problems_of_table(table)
    names = [table.name for table in declared.tables]
    yield from _twice(names, "table")
    yield from _like_streams(names)
    for name, connector in declared.connectors.items():
        without = [table for table in declared.tables if name not in table.topics]
        yield from (f"table {table.name}, topics: {name} is missing" for table in without)
        topics = [table.topics[name] for table in declared.tables if table not in without]
        yield from _twice(topics, f"{name} topic")
        known = "up to 249 of A-Za-z0-9._-, {prefix}, and {database} where it is declared"
        odd = (topic for topic in topics if not re.fullmatch("[A-Za-z0-9._-]{1,249}", topic))
        yield from (f"{name} topic {topic!r}: it may have {known}" for topic in odd)
        newest = max(connector.epochs, key=lambda prefix: connector.epochs[prefix])
        numbers = connector.epochs.values()
        if newest != connector.topic_prefix or len(set(numbers)) != len(numbers):
            yield (
                f"connector {name}: epochs {connector.epochs} must give every topic prefix its own "
                f"number, the current prefix {connector.topic_prefix!r} the highest"
            )


def _problems_of_table(table: Table) -> Iterator[str]:
    where = f"table {table.name}"
    names = [column.name for column in table.columns]
    for column in table.columns:
        yield from _problems_of_column(f"{where}, column {column.name}", column)
    yield from _twice(names, f"column of {where}")
    yield from _problems_of_names(table)
    for key, listed in (
        ("primary_key", table.primary_key),
        ("tracked_columns", table.tracked_columns),
    ):
        for name in listed:
            if name not in names:
                yield f"{where}: {key} names {name!r}, no column; columns: {', '.join(names)}"
    for column in table.columns:
        is_key = column.name in table.primary_key
        if is_key and (column.nullable or column.pii in ("exclude", "clear")):
            yield f"{where}, column {column.name}: a key is never null, and its only pii is hash"
        if is_key and (column.large or column.too_long != "reject"):
            yield f"{where}, column {column.name}: a key column is not large"
        is_bit = column.type.name == "boolean" and "sqlserver" in table.topics
        if is_key and (column.from_float or column.time_zone or is_bit):
            yield f"{where}, column {column.name}: a key is no float, local time or bit"
        if is_key and column.type.name == "timestamp" and column.fractional_seconds is None:
            yield (
                f"{where}, column {column.name}: a timestamp keeps six digits of a second, and two "
                "keys of seven (SQL Server's datetime2 and datetimeoffset) would be one; declare "
                "fractional_seconds, up to 6, if the source has no more, else varchar(34)"
            )
        if column.pii == "hash" and column.large is not None and not column.nullable:
            yield (
                f"{where}, column {column.name}: pii: hash would hide what SQL Server did not "
                "write, an empty text in a large column that is never null; allowed: exclude, clear"
            )
        if column.pii == "exclude" and column.name in table.tracked_columns:
            yield f"{where}, column {column.name}: pii: exclude is not here to be tracked"
    of_all, of_none = table.history == "all", table.history == "none"
    if bool(table.tracked_columns) != of_all or bool(table.primary_key) == of_none:
        yield f"{where}: history is {table.history!r}; all has tracked_columns, none no primary_key"


def _problems_of_column(where: str, column: Column) -> Iterator[str]:
    kind, zone = column.type, column.time_zone
    length, digits = kind.length or 0, kind.precision or MAX_PRECISION
    is_cut, folds = column.too_long == "truncate", column.collation != "binary"
    for is_broken, what in (
        (folds and not length, "collation belongs to varchar columns"),
        (folds and column.pii == "hash", "pii: hash has a key for each spelling, so no collation"),
        (column.pii == "hash" and length < 64, "pii: hash needs varchar(64) or longer"),
        (column.from_float and digits > 15, "from_float needs decimal(1..15,scale)"),
        (zone and kind.name != "timestamp", "time_zone belongs to timestamp columns"),
        (
            column.fractional_seconds is not None and kind.name != "timestamp",
            "fractional_seconds belongs to timestamp columns",
        ),
        (zone and zone not in available_timezones(), f"time_zone {zone!r} is none of the IANA's"),
        (column.on_invalid == "null" and not column.nullable, "on_invalid: null needs nullable"),
        # from the length of Debezium's word on, to what is never too long for a SUPER
        (is_cut and not 28 <= length <= 21845, "too_long: truncate needs varchar(28..21845)"),
        (is_cut and column.pii == "hash", "too_long: truncate would cut before pii: hash"),
    ):
        if is_broken:
            yield f"{where}: {what}, this one is {kind}"
    if column.computed:
        yield (
            f"{where}: is computed in the source, and no event carries its value; leave it out "
            "here and derive it in a model"
        )


def _problems_of_names(table: Table) -> Iterator[str]:
    """Names that something else has, and source columns that two columns would be read from."""
    if taken := table_taken(table.name):
        yield (
            f"table {table.name}: the name {taken}; give the table another `name`, its topics can "
            "stay"
        )
    for column in table.columns:
        is_key = column.name in table.primary_key
        if taken := column_taken(table.name, column.name, is_key=is_key):
            yield (
                f"table {table.name}, column {column.name}: the name {taken}; give the column "
                f"another one, wherever the table names it, and say what it is in the source: "
                f"{_renamed(column)}"
            )
    for connector in CONNECTORS:
        read: dict[str, str] = {}
        for column in table.columns:
            for source in column.source_names(connector):
                # case aside: SQL Server's names and DuckDB's struct fields know none
                other = read.setdefault(source.lower(), column.name)
                if other != column.name:
                    yield (
                        f"table {table.name}, column {column.name}: reads {source!r} of "
                        f"{connector}, which is column {other}'s; a source column is declared once "
                        "(upper and lower case are one). Name the right one under `source_columns`"
                    )


def _renamed(column: Column) -> str:
    """A line of the declarations by which `column` has another name and the same source."""
    sources = {
        str(connector): names[0] if len(names) == 1 else list(names)
        for connector in CONNECTORS
        for names in [column.source_names(connector)]
    }
    line = {"name": f"shop_{column.name}", "config": {"meta": {"source_columns": sources}}}
    text: str = yaml.safe_dump(line, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip()


def _twice(names: list[str], what: str) -> Iterator[str]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} {name!r} is declared twice"


def _like_streams(names: list[str]) -> Iterator[str]:
    """On Redshift the streams of a table are called by it and its topic's incarnation."""
    for name in names:
        own = re.fullmatch(r"(.+)_[0-9]+(_archive)?", name)
        if own and own[1] in names:
            yield (
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
        said = finding["msg"].removeprefix("Value error, ")
        if finding["type"] == "unexpected_keyword_argument":
            said = "there is no such key"
        lines.append(f"{', '.join(place)}: {said}{found}")
    return lines


def _has(node: Any, step: Any) -> bool:
    if isinstance(node, list):
        return isinstance(step, int) and step < len(node)
    return isinstance(node, dict) and step in node
