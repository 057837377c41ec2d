"""The project with tenants: the same tables in several databases, and what history says then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ingestion.declarations import TENANT, Column, Declarations, Table, load, parse_type
from lakehouse.dbt_files import remove_files, render, undeclared
from tests.kit.reference import HistoryRow
from tests.kit.warehouse import SOURCES

DATABASES = {"de": "ShopDE", "fr": "Shop 🐟"}
"""One connector reads both: all that tells their records apart is the topic."""


def declare_tenants(
    project: Path,
    tenants: Mapping[str, Mapping[str, Any]] | None = None,
    start: str | Mapping[str, str] = "shop.{database}",
    tables: Sequence[str] = (),
) -> Declarations:
    """Give the source of `project` tenants, and write the files that follow.

    By default each has a database of the connector's; topics begin with `start`, or with that of
    their connector. With `tables` no other is declared.
    """
    file = project / SOURCES
    document = yaml.safe_load(file.read_text("utf-8"))
    source = document["sources"][0]
    meta = source["config"]["meta"]
    meta["tenants"] = tenants or {
        name: {connector: {"database": database} for connector in meta["connectors"]}
        for name, database in DATABASES.items()
    }
    source["tables"] = [t for t in source["tables"] if not tables or t["name"] in tables]
    for table in source["tables"]:
        topics = table["config"]["meta"]["topics"]
        for connector, topic in topics.items():
            begin = start if isinstance(start, str) else start[connector]
            topics[connector] = ".".join([begin, *topic.split(".")[-2:]])
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    declared = load(file)
    files = render(declared)
    remove_files(undeclared(files, project), project)
    for path, content in files.items():
        (project / path).write_text(content, "utf-8")
    return declared


def in_warehouse(table: Table) -> Table:
    """The table as its rows are in the warehouse: the tenant leads columns and key."""
    kind = parse_type("varchar(63)")
    assert kind is not None
    tenant = Column(TENANT, kind, "The tenant.")
    key = (TENANT, *table.primary_key)
    return replace(table, columns=(tenant, *table.columns), primary_key=key)


def of_tenant(row: HistoryRow, tenant: str) -> HistoryRow:
    """A row of the reference model, which knows no tenants, as the tenant's."""
    return replace(
        row,
        key=(tenant, *row.key),
        row=(tenant, *row.row),
        before=None if row.before is None else (tenant, *row.before),
        not_carried=frozenset(number + 1 for number in row.not_carried),
    )
