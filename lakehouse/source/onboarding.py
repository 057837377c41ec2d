"""The declaration of a table as its source's catalog suggests it, in the text of the sources file.

What a catalog cannot know is proposed and said: what is personal data goes by the names of columns,
descriptions are the source's names. A person reads the difference before it is written.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from ingestion.declarations import (
    MAX_PRECISION,
    MAX_VARCHAR,
    NAMING,
    Declarations,
    Naming,
    Pii,
    in_source,
    load,
    topic_part,
)
from ingestion.errors import RefusedError, TerminalError
from ingestion.reserved_names import column_taken, table_taken
from ingestion.settings import ConnectorName
from lakehouse.source.catalog import Catalog, CatalogTable, SourceColumn, plain_name
from lakehouse.source.connectors import check_places, source_table
from lakehouse.source.types import HOMES, NO_HOME, bare_type, fractional_seconds, is_float

# The longest text of a type that has no length of its own (docs/types.md).
_LENGTHS = {
    "time": 17,
    "time without time zone": 16,
    "time with time zone": 16,
    "timestamp": 12,
    "uniqueidentifier": 36,
    "uuid": 36,
    "inet": 43,
    "cidr": 43,
    "macaddr": 17,
    "macaddr8": 23,
    "int4range": 30,
    "int8range": 50,
    "daterange": 40,
    "tsrange": 80,
    "tstzrange": 90,
}
_FIXED: dict[ConnectorName, dict[str, str]] = {
    "sqlserver": {
        "int": "integer",
        "tinyint": "smallint",
        "money": "decimal(19,4)",
        "smallmoney": "decimal(10,4)",
    },
    "postgresql": {"oid": "bigint", "interval": "bigint", "money": "decimal(19,2)"},
}
# Of any declared type, by what their texts are.
_TEXTS = (
    *("char", "varchar", "nchar", "nvarchar", "text", "ntext"),
    *("character", "character varying", "citext"),
)
_PERSONAL: dict[Pii, str] = {
    "exclude": "password|passwd|pwd|passcode|secret|token|cvv|cvc|ssn",
    "hash": "phone|telephone|tel|mobile|cellphone|fax|iban|passport",
    "clear": "e?mail|(first|last|middle|full|family)_?name|surname|forename|birthday|birthdate|dob"
    "|birth|street|address|gender|login",
}


@dataclass(frozen=True)
class Proposal:
    """A declaration to be: the table's name, the whole file with it, and what to look at."""

    name: str
    text: str
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Column:
    name: str
    source: str
    data_type: str
    meta: dict[str, Any]


def propose(catalog: Catalog, place: str, sources: Path, name: str | None = None) -> Proposal:
    """The file `sources` with the table of the source that `place` names (`[schema.]table`).

    Raises:
        TerminalError: there is no such table; the message names those that are like it.
        RefusedError: it is declared already, or cannot be: a part of the key is
            of a type that no event carries; or it is in a database that is no tenant's.
    """
    declared, there = _whose(load(sources), catalog, sources), _find(catalog, place)
    where = there.qualified
    for table in declared.tables:
        known = source_table(declared, table, catalog.connector)
        if (known.schema, known.name) == (there.schema, there.name):
            raise RefusedError(f"{where} is declared: table {table.name}")
    name = name or _free(_snake(there.name), lambda word: table_taken(word) is not None)
    columns, remarks = _columns(there, name, catalog.connector)
    if not there.primary_key:
        remarks.append(
            f"{where} has no primary key: it gets a log of its changes, and no history. Give it a "
            "key in the source, if you can"
        )
    entry = _entry(name, there, catalog, declared, columns)
    lines = sources.read_text(encoding="utf-8").splitlines(keepends=True)
    end, column = _end(sources)
    lines[end:end] = indent(entry, " " * column).splitlines(keepends=True)
    return Proposal(name, "".join(lines), (*remarks, *_of_the_source(there, catalog)))


def _whose(declared: Declarations, catalog: Catalog, sources: Path) -> Declarations:
    """The source as the tenant has it whose catalog it is; where nothing tells, as the first."""
    first, connector = declared.parts[0], catalog.connector
    if connector not in first.connectors:
        raise TerminalError(f"{sources} declares no connector {connector}")
    named = {
        database: part
        for part in declared.tenants.values()
        for database in part.connectors[connector].database
    }
    if named and catalog.database not in named:
        raise RefusedError(
            f"the catalog is of the database {catalog.database}, which no tenant has: "
            f"{', '.join(part.connectors[connector].database[0] for part in declared.parts)}; name "
            f"it under `tenants` in {sources} first, or ask one of theirs"
        )
    return named.get(catalog.database, first)


def without(sources: Path, name: str) -> str:
    """The file `sources` without the table `name`."""
    load(sources).table(name)
    [entry] = [table for table in _tables(sources) if table.name == name]
    lines = sources.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[entry.start : entry.end]
    return "".join(lines)


def declared_by(text: str, sources: Path) -> Declarations:
    """What `sources` will declare with another text.

    Raises:
        TerminalError: it is not valid; the message names what is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, sources.name)
        file.write_text(text, encoding="utf-8")
        try:
            declared = load(file)
            check_places(declared)
        except TerminalError as error:
            raise TerminalError(str(error).replace(str(file), f"{sources}, changed")) from error
    return declared


@dataclass(frozen=True)
class _Lines:
    """Where a table's entry stands in the file."""

    name: str
    start: int
    end: int
    column: int


def _tables(sources: Path) -> list[_Lines]:
    document = yaml.compose(sources.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    [source] = _value(document, "sources").value
    found = []
    for table in _value(source, "tables").value:
        end = table.end_mark.line
        start, name = table.start_mark, _value(table, "name").value
        found.append(_Lines(name, start.line, end, start.column - len("- ")))
    return found


def _end(sources: Path) -> tuple[int, int]:
    """The line behind the last table, or behind the key where there is none yet; and the column."""
    if tables := _tables(sources):
        return tables[-1].end, tables[-1].column
    document = yaml.compose(sources.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    line: int = _value(_value(document, "sources").value[0], "tables").start_mark.line
    return line + 1, 6


def _value(node: Any, key: str) -> Any:
    return next(value for name, value in node.value if name.value == key)


def _find(catalog: Catalog, place: str) -> CatalogTable:
    named = [table.qualified for table in catalog.tables]
    found = [table for table in catalog.tables if place in (table.name, table.qualified)]
    if len(found) == 1:
        return found[0]
    alike = [full for full in named if plain_name(place) in plain_name(full)] or sorted(named)
    raise TerminalError(
        f"{place} is {'no table' if not found else 'not one table'} of {catalog.database} that the "
        f"login may see: {', '.join(alike[:20]) or 'it sees none'}"
    )


def _snake(name: str) -> str:
    """`OrderNo.`, `Order No` and `orderNo` as `order_no`; letters without their accents."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = plain.encode("ascii", "ignore").decode()
    plain = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", plain)
    plain = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_").lower()[:60].rstrip("_")
    return plain if re.match("[a-z]", plain) else f"n_{plain}".rstrip("_")


def _free(name: str, is_taken: Any) -> str:
    """`name`, or another one where it is taken."""
    number = 1
    wanted = name if not is_taken(name) else f"shop_{name}"
    while is_taken(wanted):
        number += 1
        wanted = f"shop_{name}_{number}"
    return wanted


def _columns(
    there: CatalogTable, table: str, connector: ConnectorName
) -> tuple[list[_Column], list[str]]:
    columns: list[_Column] = []
    remarks: list[str] = []
    used: set[str] = set()
    for column in there.columns:
        is_key = column.name in there.primary_key
        home = None if column.computed else _home(column, connector)
        if home is None:
            why = "is computed, and" if column.computed else f"is {column.type}, of which"
            if is_key:
                raise RefusedError(
                    f"{there.qualified}.{column.name} {why} no event carries the value, and it is "
                    "a part of the key: give the table a primary key without it, with a text of it "
                    "in a column of its own if need be"
                )
            remarks.append(f"{column.name} {why} no event carries the value: it is left out")
            continue

        if is_key and is_float(column.type, connector):
            raise RefusedError(
                f"{there.qualified}.{column.name} is {column.type}, a number without a text of its "
                "own, and it is a part of the key: give the table a primary key without it, or "
                "make the column a decimal in the source"
            )

        def is_taken(word: str, *, key: bool = is_key) -> bool:
            return word in used or column_taken(table, word, is_key=key) is not None

        name = _free(_snake(column.name), is_taken)
        used.add(name)
        data_type, meta = home
        said = list(_meta(column, name, data_type, is_key=is_key, connector=connector))
        for key, value, remark in said:
            if key == "data_type":
                data_type = value
            elif key:
                meta[key] = value
            if remark:
                remarks.append(f"{column.name} {remark}")
        columns.append(_Column(name, column.name, data_type, meta))
    return columns, remarks


def _meta(
    column: SourceColumn, name: str, data_type: str, *, is_key: bool, connector: ConnectorName
) -> Iterator[tuple[str, Any, str]]:
    """Keys of `config.meta`, their values, and what is said of them."""
    if column.nullable and not is_key:
        yield "nullable", True, ""
    large = column.large if connector == "sqlserver" else None
    if large:
        yield "large", large, ""
    if is_key:
        yield from _meta_of_key(column, data_type, connector)
    if bare_type(column.type) not in HOMES[connector]:
        yield "", None, f"is {column.type}, which docs/types.md does not name: declared as a text"
    if data_type == f"varchar({MAX_VARCHAR})":
        yield "", None, f"is {column.type}: give it the length that its texts need"
    if data_type.startswith("decimal(38"):
        yield "", None, f"is {column.type}: give it the digits that its values need"
    if pii := _personal(name):
        if is_key:
            yield "", None, "looks like personal data: a key can be hashed (pii: hash), think of it"
            return
        if pii == "hash" and (
            not data_type.startswith("varchar") or (large and not column.nullable)
        ):
            pii = "exclude"
        if pii == "hash":
            yield "data_type", "varchar(64)", ""
        yield "pii", pii, f"looks like personal data: declared `pii: {pii}`"


def _meta_of_key(
    column: SourceColumn, data_type: str, connector: ConnectorName
) -> Iterator[tuple[str, Any, str]]:
    """What decides which values are one key."""
    if data_type == "timestamp":
        digits = fractional_seconds(column.type)
        with_offset = bare_type(column.type) == "datetimeoffset"
        if digits > 6:
            yield "data_type", "varchar(34)" if with_offset else "varchar(28)", ""
        else:
            yield "fractional_seconds", digits, ""
    elif column.folds:
        kind = f"of the collation {column.collation}" if column.collation else column.type
        differs = (
            "accents alone keep keys apart here"
            if connector == "sqlserver" and "_AI" in (column.collation or "")
            else "blanks at the end keep no keys apart here, and there they may"
            if connector == "postgresql"
            else ""
        )
        yield (
            *("collation", "case_insensitive"),
            f"is {kind}, in which upper and lower case are one key: declared `collation: "
            f"case_insensitive`{differs and f'; {differs} (docs/types.md)'}",
        )
    elif column.folds is None and connector == "sqlserver" and bare_type(column.type) in _TEXTS:
        yield (
            *("", None),
            "is a text in the key, and the catalog does not tell its collation: declare "
            "`collation: case_insensitive` where it is a _CI_ one, as SQL Server's default is",
        )


def _personal(name: str) -> Pii | None:
    for pii, words in _PERSONAL.items():
        if re.search(f"(^|_)({words})(_|$)", name):
            return pii
    return None


def _home(column: SourceColumn, connector: ConnectorName) -> tuple[str, dict[str, Any]] | None:
    """The data_type for a column of the source, and what has to be declared beside it."""
    bare = bare_type(column.type)
    homes = HOMES[connector].get(bare, ("varchar",))
    if homes == NO_HOME:
        return None
    if is_float(column.type, connector):
        return "decimal(15,4)", {"from_float": True}
    sizes = [int(number) for number in re.findall(r"-?\d+", column.type.partition("(")[2])]
    is_bits = connector == "postgresql" and bare == "bit" and sizes != [1]
    if bare in _FIXED[connector]:
        data_type = _FIXED[connector][bare]
    elif homes[0] == "decimal":
        precision, scale = (*sizes, 0)[:2] if sizes else (MAX_PRECISION, 10)
        # PostgreSQL's scale may be negative, zeros before the point, or more than all digits.
        precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
        fits = precision <= MAX_PRECISION
        data_type = f"decimal({precision},{scale})" if fits else f"decimal({MAX_PRECISION},10)"
    elif homes[0] == "varchar" or bare in _TEXTS or is_bits:
        # The digits in the brackets of a time are no length.
        length = _LENGTHS.get(bare) or (sizes[0] if sizes else MAX_VARCHAR)
        if sizes and (is_bits or bare == "bit varying"):
            length = _base64((length + 7) // 8)
        elif sizes and bare in ("binary", "varbinary"):
            length = _base64(length)
        data_type = f"varchar({min(length, MAX_VARCHAR)})"
    else:
        data_type = bare if bare in homes else homes[0]
    return data_type, {}


def _base64(size: int) -> int:
    return 4 * ((size + 2) // 3)


def _entry(
    name: str,
    there: CatalogTable,
    catalog: Catalog,
    declared: Declarations,
    columns: Sequence[_Column],
) -> str:
    connector = catalog.connector
    standing: Naming = declared.connectors[connector].column_naming or NAMING[connector]
    rules: tuple[Naming, ...] = ("snake_case", "PascalCase")
    rule = max(
        rules,
        key=lambda each: (
            sum(in_source(column.name, each) == column.source for column in columns),
            each == standing,
        ),
    )
    by_source = {column.source: column.name for column in columns}
    places = {each: _place(each, there, catalog, declared, name) for each in declared.connectors}
    meta: dict[str, Any] = {"topics": {}}
    for each, whole in places.items():
        start, place = declared.connectors[each].topic_prefix, whole
        if declared.tenant:
            start = "{prefix}"
            if declared.connectors[each].database and each == "sqlserver":
                start, place = "{prefix}.{database}", whole[1:]
        meta["topics"][each] = ".".join([start, *map(topic_part, place)])
        odd = [topic_part(part) != part or "." in part for part in place]
        if any(odd):
            told = place[odd.index(True) :]
            tables = meta.setdefault("source_tables", {})
            tables[each] = told if len(told) > 1 else told[0]
    if rule != standing:
        meta["column_naming"] = {connector: rule}
    if there.replica_identity == "default" and there.primary_key:
        meta["replica_identity"] = "default"
    key = [by_source[source] for source in there.primary_key]
    tracked = [
        column.name
        for column in columns
        if column.name not in key and column.meta.get("pii") != "exclude"
    ]
    meta["primary_key"] = key
    if not key:
        meta["history"] = "none"
    elif tracked:
        meta |= {"history": "all", "tracked_columns": tracked}
    else:
        meta["history"] = "current"
    meta |= {"partitions": 4, "topic_retention_days": 7, "landing_retention_days": 730}
    lines = [_line("- name", name), _line("  description", f"{there.qualified} of the source.")]
    lines += ["  config:", "    meta:", indent(_dump(meta), "      "), "  columns:"]
    for column in columns:
        lines += [
            _line("    - name", column.name),
            f"      data_type: {column.data_type}",
            _line("      description", f"{column.source} of {there.qualified}."),
        ]
        extra = dict(column.meta)
        if in_source(column.name, rule) != column.source:
            extra["source_columns"] = {connector: column.source}
        if extra:
            flow = _dump({"config": {"meta": extra}}, flow=True).strip()
            lines.append(f"      {flow[1:-1]}")
    return "\n".join(line.rstrip("\n") for line in lines) + "\n"


def _place(
    connector: ConnectorName,
    there: CatalogTable,
    catalog: Catalog,
    declared: Declarations,
    name: str,
) -> list[str]:
    """The names that end the topic; of the connector that is not there as the first table's are."""
    if connector == catalog.connector:
        database = [catalog.database] if connector == "sqlserver" else []
        return [*database, there.schema, there.name]
    own = in_source(name, NAMING[connector])
    if not declared.tables:
        prefix = declared.connectors[connector].topic_prefix
        return ["public", own] if connector == "postgresql" else [prefix, "dbo", own]
    place = source_table(declared, declared.tables[0], connector)
    return [part for part in (place.database, place.schema, own) if part]


def _line(key: str, text: str) -> str:
    dumped: str = yaml.safe_dump(text, width=1000, allow_unicode=True)
    return f"{key}: {dumped.removesuffix(chr(10)).removesuffix(chr(10) + '...')}"


def _dump(document: Any, *, flow: bool = False) -> str:
    """YAML with short lists on their line."""
    style = True if flow else None
    dumped: str = yaml.safe_dump(
        document, default_flow_style=style, sort_keys=False, width=110, allow_unicode=True
    )
    return re.sub(r"\n +(?=\S)", " ", dumped) if flow else dumped


def _of_the_source(there: CatalogTable, catalog: Catalog) -> Iterable[str]:
    """What is to be done in the source."""
    where = there.qualified
    told = ("full", "default") if there.primary_key else ("full",)
    if catalog.connector == "postgresql" and there.replica_identity not in told:
        yield (
            f"{where} has replica identity {there.replica_identity}: "
            f"`alter table {where} replica identity full`"
        )
    elif there.replica_identity == "default":
        yield (
            f"{where} has replica identity default: what rows were before a change is not in the "
            f"log. `alter table {where} replica identity full` tells losses and late reads apart"
        )
