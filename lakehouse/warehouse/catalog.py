"""A connection to Redshift, and what its catalog says on it."""

from __future__ import annotations

from typing import Any, Protocol


class Connection(Protocol):
    """What is needed of a warehouse."""

    @property
    def settings(self) -> Any:
        """The warehouse's settings."""

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def run(self, sql: str) -> None:
        """Run a statement outside a transaction."""


def names(warehouse: Connection, query: str) -> frozenset[str]:
    """The values of a query's only column."""
    return frozenset(name for (name,) in warehouse.rows(query))


def relations(warehouse: Connection, *schemas: str) -> frozenset[str]:
    """Tables and views of `schemas`, as `schema.name`.

    Without the tables in which Redshift keeps the rows of materialized views, mv_tbl__<view>__0:
    they stand beside the views, and nothing can be granted on them.
    """
    listed = "', '".join(schemas)
    return names(
        warehouse,
        "select table_schema || '.' || table_name from information_schema.tables"
        f" where table_schema in ('{listed}') and left(table_name, 8) <> 'mv_tbl__'",
    )


def exists(warehouse: Connection, schema: str, name: str) -> bool:
    """Whether it is there: the information schema hides what this user may not read."""
    [(count,)] = warehouse.rows(
        "select count(*) from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
        f" where n.nspname = '{schema}' and c.relname = '{name}'"
    )
    return bool(count)
