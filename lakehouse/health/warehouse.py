"""What the local warehouse says of itself, read without getting in a build's way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.declarations import Declarations
from lakehouse.console import explained


@dataclass(frozen=True)
class LogState:
    """A table's log: the next offset to build of each (incarnation, partition), and its rows."""

    until: Mapping[tuple[int, int], int]
    newest: datetime | None
    quarantined: int
    older_declarations: int


@dataclass(frozen=True)
class Run:
    """The newest build."""

    number: int
    status: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Warehouse:
    """What could be read; `problem` says in a sentence why there is nothing else."""

    logs: Mapping[str, LogState] = field(default_factory=dict)
    last_run: Run | None = None
    problem: str | None = None


def read_warehouse(path: Path, declarations: Declarations) -> Warehouse:
    """Read the DuckDB file at `path`; never raises for a file that is missing or in use."""
    try:
        import duckdb
    except ModuleNotFoundError as error:
        return Warehouse(problem=explained(error))
    if not path.exists():
        return Warehouse(problem=f"there is no warehouse at {path} yet: run `dbt build`")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            return Warehouse(
                problem=f"{path} is in use by a running build; what it holds is not shown"
            )
        return Warehouse(problem=f"{path} cannot be read: {error}")
    with connection:
        tables = {row[0] for row in connection.execute(_TABLES).fetchall()}
        logs = {
            table.name: _log(connection, table.name)
            for table in declarations.tables
            if f"staging.{table.name}__log" in tables
        }
        return Warehouse(logs, _last_run(connection) if "operations.runs" in tables else None)


_TABLES = "select table_schema || '.' || table_name from information_schema.tables"


def _log(connection: Any, table: str) -> LogState:
    # Names come from the declarations, which allow letters, digits and _ only.
    log = f"staging.{table}__log"
    partitions = connection.execute(
        "select _cdc_incarnation, kafka_partition, max(kafka_offset) + 1, max(kafka_timestamp)"
        f" from {log} group by all"
    ).fetchall()
    quarantined = _number(
        connection, "select count(*) from staging.quarantine where table_name = ?", table
    )
    older = _number(
        connection,
        f"select count(*) from {log} as log where log._cdc_status <> 'rejected'"
        " and log._cdc_declaration <> (select declarations.declaration"
        " from operations.declarations as declarations where declarations.table_name = ?)",
        table,
    )
    newest: Iterable[datetime] = (row[3] for row in partitions if row[3] is not None)
    return LogState(
        until={(incarnation, partition): until for incarnation, partition, until, _ in partitions},
        newest=max((moment.replace(tzinfo=UTC) for moment in newest), default=None),
        quarantined=quarantined,
        older_declarations=older,
    )


def _number(connection: Any, query: str, *parameters: str) -> int:
    return int(connection.execute(query, list(parameters)).fetchone()[0])


def _last_run(connection: Any) -> Run | None:
    row = connection.execute(
        "select run_number, status, started_at, finished_at from operations.runs"
        " order by run_number desc limit 1"
    ).fetchone()
    if row is None:
        return None
    number, status, started_at, finished_at = row
    return Run(
        number,
        status,
        started_at.replace(tzinfo=UTC),
        finished_at.replace(tzinfo=UTC) if finished_at else None,
    )
