"""The project's declarations and connectors, as they are and under other topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ingestion.declarations import Declarations, load
from ingestion.settings import ConnectorName
from lakehouse.dbt_files import render
from tests.kit.warehouse import SOURCES

DECLARATIONS = load()
CONNECTORS: tuple[ConnectorName, ...] = ("sqlserver", "postgresql")


def with_topic_prefix(declarations: Declarations, prefix: str) -> Declarations:
    """The same tables under another topic prefix, as after a move of the source."""
    old: dict[str, str] = {
        name: connector.topic_prefix for name, connector in declarations.connectors.items()
    }
    tables = tuple(
        replace(
            table,
            topics={
                name: prefix + topic.removeprefix(old[name]) for name, topic in table.topics.items()
            },
        )
        for table in declarations.tables
    )
    connectors = {
        name: replace(connector, topic_prefix=prefix, epochs={prefix: 1})
        for name, connector in declarations.connectors.items()
    }
    return replace(declarations, tables=tables, connectors=connectors)


def redeclare(
    project: Path,
    table: str,
    types: Mapping[str, str] | None = None,
    columns: Mapping[str, Mapping[str, Any]] | None = None,
    **meta: Any,
) -> Declarations:
    """The declarations of a copied project after a change of one table; what follows is written.

    `types` and `columns` are types and other keys of columns, `meta` of the table.
    """
    file = project / SOURCES
    document = yaml.safe_load(file.read_text("utf-8"))
    [entry] = (each for each in document["sources"][0]["tables"] if each["name"] == table)
    entry["config"]["meta"].update(meta)
    for column in entry["columns"]:
        column["data_type"] = (types or {}).get(column["name"], column["data_type"])
        column.setdefault("config", {}).setdefault("meta", {}).update(
            (columns or {}).get(column["name"], {})
        )
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    declarations = load(file)
    for path, content in render(declarations).items():
        (project / path).write_text(content, "utf-8")
    return declarations
