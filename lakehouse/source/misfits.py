"""Where the declarations say something else of the source than its own catalog does.

What they say decides how images of rows are read (docs/semantics.md, rule 3d): where it is wrong,
histories become wrong, and nothing in the log tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ingestion.declarations import Column, Declarations, Table
from ingestion.settings import ConnectorName
from lakehouse.source.catalog import Catalog, CatalogTable, SourceColumn, plain_name
from lakehouse.source.connectors import source_table
from lakehouse.source.types import HOMES, NO_HOME, bare_type, fractional_seconds, is_float


@dataclass(frozen=True)
class Misfit:
    """What does not fit, where it is in the source, and what to do about it."""

    where: str
    says: str
    kind: Literal["declared", "computed", "uncaptured"] = "declared"

    def __str__(self) -> str:
        return f"{self.where} {self.says}"


def misfits(declarations: Declarations, catalog: Catalog) -> Iterator[Misfit]:
    """What of the source is not as declared, in the order of the declarations."""
    found = {(table.schema, table.name): table for table in catalog.tables}
    for table in declarations.tables:
        place = source_table(declarations, table, catalog.connector)
        there = found.get((place.schema, place.name))
        if there is None or place.database not in ("", catalog.database):
            alike = [
                f", which has {other}"
                for other in (each.qualified for each in catalog.tables)
                if other != place.qualified and plain_name(other) == plain_name(place.qualified)
            ]
            yield Misfit(
                place.qualified,
                f"is not in the database {catalog.database}{''.join(alike)}, or its login may not "
                f"see it: correct topics.{catalog.connector} or source_tables.{catalog.connector} "
                f"of table {table.name}, or the login",
            )
            continue
        yield from _of_table(place.qualified, table, there, catalog)
        if catalog.connector == "sqlserver":
            yield from _uncaptured(place.qualified, table, there)


def _uncaptured(where: str, table: Table, there: CatalogTable) -> Iterator[Misfit]:
    """Of what the change tables will not tell; the newest one is what Debezium goes over to."""
    if not there.capture_instances:
        yield Misfit(
            where, "is not captured: run what `lakehouse connector cdc-sql` prints", "uncaptured"
        )
        return
    instance, captured = list(there.capture_instances.items())[-1]
    could_be = {column.name for column in there.columns if not column.computed}
    for column in table.landed_columns:
        name = column.source_name("sqlserver")
        if name in could_be and name not in captured:
            yield Misfit(
                f"{where}.{name}",
                f"is not in the capture instance {instance}: make another one that has it "
                "(`sys.sp_cdc_enable_table` with a new @capture_instance)",
                "uncaptured",
            )


def _of_table(where: str, table: Table, there: CatalogTable, catalog: Catalog) -> Iterator[Misfit]:
    key = [table.column(name).source_name(catalog.connector) for name in table.primary_key]
    if set(key) != set(there.primary_key):
        has = f"the primary key ({', '.join(there.primary_key)})"
        yield Misfit(
            where,
            f"has {has if there.primary_key else 'no primary key'}, declared is "
            f"({', '.join(key)}): declare the columns by which the source tells its rows apart",
        )
    if catalog.connector == "postgresql" and there.replica_identity != table.replica_identity:
        declare = (
            f"declare `replica_identity: {there.replica_identity}`, or "
            if there.replica_identity in ("full", "default")
            else ""
        )
        yield Misfit(
            where,
            f"has replica identity {there.replica_identity}, declared is "
            f"{table.replica_identity}: {declare}`alter table {where} replica identity "
            f"{table.replica_identity}` (of a partitioned table: of each partition)",
        )
    columns = {column.name: column for column in there.columns}
    for column in table.columns:
        name = column.source_name(catalog.connector)
        if name not in columns:
            alike = [
                f", which has {other}" for other in columns if plain_name(other) == plain_name(name)
            ]
            yield Misfit(
                f"{where}.{name}",
                f"is not in the source{''.join(alike)}: correct `source_columns` (upper and lower "
                f"case count), or leave column {column.name} out of the declaration",
            )
        elif column in table.landed_columns:
            yield from _of_column(f"{where}.{name}", column, columns[name], catalog)
            if column.name in table.primary_key and column.pii != "hash":
                yield from _of_key(f"{where}.{name}", column, columns[name], catalog)


def _of_column(
    where: str, column: Column, there: SourceColumn, catalog: Catalog
) -> Iterator[Misfit]:
    if there.computed:
        yield Misfit(
            where,
            "is computed in the source, and no event carries its value: leave column "
            f"{column.name} out of the declaration and derive it in a model",
            "computed",
        )
    elif catalog.connector == "sqlserver" and there.type == "bit" and column.pii == "hash":
        yield Misfit(
            where,
            "is a bit: two pseudonyms hide nothing, and a delete has that of 0 whatever was there. "
            "Declare it boolean and pii: clear, or pii: exclude",
        )
    elif catalog.connector == "sqlserver" and there.large != column.large:
        do = f"declare `large: {there.large}`" if there.large else "leave its `large` out"
        yield Misfit(where, f"is {there.type}, declared is large: {column.large or '-'}: {do}")
    elif column.fractional_seconds is not None and _has_more_digits(column, there):
        yield Misfit(
            where,
            f"is {there.type}, declared is fractional_seconds: {column.fractional_seconds}: "
            "declare as many as it has; with more than 6 varchar(28), varchar(34) with an offset",
        )
    elif says := _type_says(column, there, catalog.connector):
        yield Misfit(where, says)


def _of_key(where: str, column: Column, there: SourceColumn, catalog: Catalog) -> Iterator[Misfit]:
    """Which texts are one key; a unique index of PostgreSQL may fold what no collation does."""
    says = f"is {there.type}{f' of the collation {there.collation}' if there.collation else ''}"
    if there.folds and column.type.name == "varchar" and column.collation == "binary":
        yield Misfit(
            where,
            f"{says}, in which upper and lower case are one key: declare "
            "`collation: case_insensitive`, or one row becomes two",
        )
    elif there.folds is False and column.collation != "binary" and catalog.connector == "sqlserver":
        yield Misfit(
            where,
            f"{says}, in which upper and lower case are two keys: leave its `collation` out, or "
            "two rows become one",
        )


def _has_more_digits(column: Column, there: SourceColumn) -> bool:
    return fractional_seconds(there.type) > (column.fractional_seconds or 0)


def _type_says(column: Column, there: SourceColumn, connector: ConnectorName) -> str | None:
    """What is wrong with the declared type of a column that is not hashed (docs/types.md)."""
    homes = HOMES[connector].get(bare_type(there.type))
    if homes == NO_HOME:
        return (
            f"is {there.type}, of which the connector writes nothing that can be declared: leave "
            f"column {column.name} out, and keep a text of it in a column of its own in the source"
        )
    if column.pii == "hash" or homes is None:
        return None
    floats = is_float(there.type, connector)
    if column.type.name not in homes or column.from_float != floats:
        allowed = "decimal with from_float: true" if floats else ", ".join(homes)
        said = " with from_float" if column.from_float else ""
        return f"is {there.type}, declared is {column.type}{said}: declare {allowed}"
    return None
