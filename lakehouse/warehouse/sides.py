"""The two sides that can be compared: a DuckDB file and Redshift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ingestion.errors import TerminalError
from lakehouse.warehouse.connection import Warehouse

# svv_columns has the columns of late-binding views too, information_schema.columns has not
_COLUMNS = """
    select table_name, column_name
    from {columns}
    where table_schema = '{schema}'
    order by table_name, ordinal_position
"""


class DuckDbSide:
    """The warehouse file of target local."""

    name = "local"

    def __init__(self, file: Path) -> None:
        import duckdb

        if not file.exists():
            raise TerminalError(f"{file} does not exist: run `dbt build` (target local) first")
        self._connection = duckdb.connect(str(file), read_only=True)

    def columns(self, schema: str) -> dict[str, tuple[str, ...]]:
        """Tables and views of a schema with their columns."""
        return _by_table(
            self._connection.execute(
                _COLUMNS.format(columns="information_schema.columns", schema=schema)
            ).fetchall()
        )

    def rows(self, schema: str, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """All rows with these columns."""
        return self._connection.execute(
            f'select {_listed(columns)} from "{schema}"."{table}"'
        ).fetchall()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()


class RedshiftSide:
    """The warehouse on Redshift, under the schema names of its target."""

    name = "redshift"

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def columns(self, schema: str) -> dict[str, tuple[str, ...]]:
        """Tables and views of a schema with their columns."""
        return _by_table(
            self._warehouse.rows(
                _COLUMNS.format(columns="svv_columns", schema=self._schema(schema))
            )
        )

    def rows(self, schema: str, table: str, columns: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        """All rows with these columns."""
        return [
            tuple(_value(value) for value in row)
            for row in self._warehouse.rows(
                f'select {_listed(columns)} from "{self._schema(schema)}"."{table}"'
            )
        ]

    def _schema(self, schema: str) -> str:
        return self._warehouse.settings.schema_prefix + schema

    def close(self) -> None:
        """End the session."""
        self._warehouse.close()


def _value(value: Any) -> Any:
    """A value of the driver; a VARBYTE may come as hexadecimal text."""
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    return value


def _by_table(rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return {table: tuple(columns) for table, columns in found.items()}


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
