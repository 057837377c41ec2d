"""The published file: a copy of the warehouse as one finished run left it, brought forward.

Two files take turns. Readers open the one under the published name; the other, which is the run
before, takes over the rows that have changed since, and then the name. A file that a reader still
holds cannot be written: it is left to that reader, and a copy takes its place.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.published import folder_of, published

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Keys = Mapping[str, Sequence[str]]
"""The columns that tell a table's rows apart, by its name with the schema."""
_OPERATIONS = "operations"
_BY_RUN = (f"{_OPERATIONS}.runs", f"{_OPERATIONS}.node_runs")
"""Of which a run writes its own rows."""
_SHAPE = """
    select schema_name, table_name as name, sql
    from duckdb_tables()
    where database_name = '{database}' and not internal and not temporary
"""
_VIEWS = """
    select schema_name, view_name as name, sql
    from duckdb_views()
    where database_name = '{database}' and not internal and not temporary
"""


class Publication:
    """What is published of one warehouse file."""

    def __init__(self, warehouse: Path) -> None:
        self._warehouse = warehouse
        self._file = published(warehouse)
        self._other = folder_of(warehouse) / "next" / warehouse.name
        self._run = -1
        self._other_run = -1
        # what a process that was killed has left
        shutil.rmtree(self._other.parent, ignore_errors=True)
        self._other.parent.mkdir(parents=True)

    def whole(self, connection: DuckDBPyConnection) -> None:
        """Publish a copy of the warehouse file, in which nobody may write meanwhile."""
        connection.execute("checkpoint")
        self._copy(self._warehouse)
        self._switch(_newest_run(connection))
        # it may have other tables or columns
        self._other.unlink(missing_ok=True)

    def forward(self, connection: DuckDBPyConnection, keys: Keys) -> None:
        """Publish what has changed since; nobody may write in the warehouse meanwhile."""
        self._attach(connection)
        try:
            has_same_shape = _tables(connection, "published") == _tables(
                connection, self._warehouse.stem
            )
            if has_same_shape:
                connection.execute("begin")
                _bring_forward(connection, self._warehouse.stem, self._other_run, keys)
                connection.execute("commit")
        finally:
            connection.execute("detach published")
        if has_same_shape:
            self._switch(_newest_run(connection))
        else:
            self.whole(connection)

    def _attach(self, connection: DuckDBPyConnection) -> None:
        import duckdb

        attach = f"attach '{str(self._other).replace(chr(39), chr(39) * 2)}' as published"
        if self._other.exists():
            try:
                connection.execute(attach)
                return
            except duckdb.IOException:
                self._other.unlink()
        self._copy(self._file)
        self._other_run = self._run
        connection.execute(attach)

    def _copy(self, file: Path) -> None:
        """By another process: one that closes a file gives up its own lock on it, DuckDB's too."""
        self._other.unlink(missing_ok=True)
        subprocess.run(["cp", str(file), str(self._other)], check=True)

    def _switch(self, run: int) -> None:
        before = self._other.with_suffix(".before")
        if self._file.exists():
            before.hardlink_to(self._file)
        self._other.replace(self._file)
        if before.exists():
            before.replace(self._other)
        self._run, self._other_run = run, self._run


def _newest_run(connection: DuckDBPyConnection) -> int:
    [(run,)] = connection.execute(f"select max(run_number) from {_OPERATIONS}.runs").fetchall()
    return int(run)


def _tables(connection: DuckDBPyConnection, database: str) -> set[tuple[str, str, str]]:
    return set(connection.execute(_SHAPE.format(database=database)).fetchall())


def _bring_forward(connection: DuckDBPyConnection, database: str, run: int, keys: Keys) -> None:
    """Take over what was written after `run`; the tables are the same, their rows not yet."""
    changed = {
        consumer
        for (consumer,) in connection.execute(
            f"select distinct consumer from {_OPERATIONS}.watermarks where abs(run_number) > {run}"
        ).fetchall()
    }
    for schema, table, sql in sorted(_tables(connection, database)):
        name = f"{schema}.{table}"
        if name in changed and "_cdc_run" in sql:
            _take_over(connection, database, name, run, keys.get(name))
        elif name in _BY_RUN:
            connection.execute(f"delete from published.{name} where run_number > {run}")
            connection.execute(
                f"insert into published.{name} select * from {database}.{name}"
                f" where run_number > {run}"
            )
            # what is old was shortened
            if not _as_many(connection, database, name):
                _replace(connection, database, name)
        elif name in changed or schema == _OPERATIONS:
            _replace(connection, database, name)
    there = set(connection.execute(_VIEWS.format(database="published")).fetchall())
    for schema, view, sql in connection.execute(_VIEWS.format(database=database)).fetchall():
        if (schema, view, sql) not in there:
            connection.execute(sql.replace("CREATE VIEW ", "create or replace view published.", 1))


def _take_over(
    connection: DuckDBPyConnection,
    database: str,
    name: str,
    run: int,
    key: Sequence[str] | None,
) -> None:
    """The rows that later runs wrote take the place of those with their key.

    What has vanished since is looked for by key where the number of rows says that something has;
    a table without a key only grows, or is copied whole.
    """
    new = f"select * from {database}.{name} where _cdc_run > {run}"
    if key:
        same = " and ".join(f"old.{column} is not distinct from new.{column}" for column in key)
        connection.execute(f"delete from published.{name} as old using ({new}) as new where {same}")
    connection.execute(f"insert into published.{name} {new}")
    if key and not _as_many(connection, database, name):
        connection.execute(
            f"delete from published.{name} as old where not exists"
            f" (from {database}.{name} as new where {same})"
        )
    if not _as_many(connection, database, name):
        _replace(connection, database, name)


def _as_many(connection: DuckDBPyConnection, database: str, name: str) -> bool:
    [(same,)] = connection.execute(
        f"select (select count(*) from published.{name}) = (select count(*) from {database}.{name})"
    ).fetchall()
    return bool(same)


def _replace(connection: DuckDBPyConnection, database: str, name: str) -> None:
    connection.execute(f"delete from published.{name}")
    connection.execute(f"insert into published.{name} select * from {database}.{name}")
