"""The project's declarations and connectors, as they are and under other topics."""

from __future__ import annotations

from dataclasses import replace

from ingestion.declarations import Declarations, load
from ingestion.settings import ConnectorName

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
