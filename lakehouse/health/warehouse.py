"""What the warehouse says of itself, read without getting in a build's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.declarations import Declarations
from ingestion.errors import LakehouseError
from lakehouse.console import explained
from lakehouse.settings import CommandSettings


@dataclass(frozen=True)
class LogState:
    """A table's log: the next offset to build of each (incarnation, partition), and its rows.

    `quarantined` is None where only a part of the models is built.
    """

    until: Mapping[tuple[int, int], int]
    newest: datetime | None
    quarantined: int | None
    older_declarations: int


@dataclass(frozen=True)
class Drift:
    """Columns that the source has and the declaration has not (`unknown`), or the reverse."""

    table: str
    kind: str
    columns: str
    tenant: str = ""
    """Of which database, where the source has tenants."""


@dataclass(frozen=True)
class Run:
    """The newest build."""

    number: int
    status: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Behind:
    """A history or mart that the newest build has not brought up to date, and its last run."""

    consumer: str
    run: int


@dataclass(frozen=True)
class Warehouse:
    """What could be read; `problem` says in a sentence why there is nothing else.

    `answers` is whether it answered at all.
    """

    logs: Mapping[str, LogState] = field(default_factory=dict)
    last_run: Run | None = None
    drift: tuple[Drift, ...] = ()
    behind: tuple[Behind, ...] = ()
    marts: tuple[str, ...] = ()
    """Those that the newest build has brought up to date."""
    problem: str | None = None
    answers: bool = True
    refuses: bool = False
    """Whether it is this user who may not read: asking again changes nothing."""


Query = Callable[[str], list[tuple[Any, ...]]]


def read_warehouse(settings: CommandSettings, declarations: Declarations) -> Warehouse:
    """Read the warehouse of the environment's target: Redshift on AWS, here the DuckDB file."""
    if settings.environment:
        return read_redshift(settings.environment, declarations)
    return read_local(settings.readable_duckdb, declarations)


def read_local(path: Path, declarations: Declarations) -> Warehouse:
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
        try:
            return _read(lambda sql: connection.execute(sql).fetchall(), "", declarations)
        except duckdb.CatalogException as error:
            return Warehouse(
                problem=f"{path} holds a part of the models: run `dbt build` ({error})"
            )


def read_redshift(target: str, declarations: Declarations) -> Warehouse:
    """Read what dbt's `target` built; never raises where Redshift does not answer or refuses."""
    from lakehouse.warehouse import connection
    from lakehouse.warehouse.catalog import exists

    try:
        settings = connection.WarehouseSettings.from_environment(target)
        with closing(connection.Warehouse(settings)) as warehouse:
            found = _read(warehouse.rows, settings.schema_prefix, declarations)
            operations = f"{settings.schema_prefix}operations"
            if found.last_run is None and exists(warehouse, operations, "runs"):
                problem = f"this user may not read {operations}.runs"
                return replace(found, problem=problem, refuses=True)
            return found
    except LakehouseError as error:
        said = str(error)
        return Warehouse(problem=said, answers=False, refuses="permission denied" in said)


def _read(query: Query, prefix: str, declarations: Declarations) -> Warehouse:
    staging, operations = f"{prefix}staging", f"{prefix}operations"
    tables = {name for [name] in query(_TABLES)}
    logs = {
        table.name: _log(query, table.name, staging, operations, tables)
        for table in declarations.tables
        if f"{staging}.{table.name}__log" in tables
    }
    built = f"{operations}.runs" in tables
    tenant = "tenant" if declarations.tenants else "''"
    drift = (
        query(_DRIFT.format(staging=staging, tenant=tenant)) if f"{staging}.drift" in tables else []
    )
    consumers = _consumers(query, operations) if f"{operations}.watermarks" in tables else []
    return Warehouse(
        logs,
        _last_run(query, operations) if built else None,
        tuple(Drift(*row) for row in drift),
        # what no model makes any more is forgotten with its table
        tuple(
            Behind(name, run) for name, run, newest in consumers if run < newest and name in tables
        ),
        tuple(
            name
            for name, run, newest in consumers
            if run >= newest and name.startswith(f"{prefix}marts.")
        ),
    )


_DRIFT = (
    "select table_name, kind, column_names, {tenant} from {staging}.drift"
    " where is_current and accepted_at is null order by 1, 4, 2, 3"
)
_TABLES = "select table_schema || '.' || table_name from information_schema.tables"


def _log(query: Query, table: str, staging: str, operations: str, there: set[str]) -> LogState:
    # Names come from the declarations, which allow letters, digits and _ only.
    log = f"{staging}.{table}__log"
    # A producer may give any time; one that is no moment to Python would be the newest for ever.
    partitions = query(
        "select _cdc_incarnation, kafka_partition, max(kafka_offset) + 1, max(case when"
        " kafka_timestamp between timestamp '0001-01-01' and timestamp '9999-12-31'"
        f" then kafka_timestamp end) from {log} group by _cdc_incarnation, kafka_partition"
    )
    rejected = f"{staging}.quarantine"
    asked = f"select count(*) from {rejected} where table_name = '{table}'"
    [(quarantined,)] = query(asked) if rejected in there else [(None,)]
    [(older,)] = query(
        f"select count(*) from {log} as log inner join {operations}.declarations as declared"
        f" on declared.table_name = '{table}' and log._cdc_declaration <> declared.declaration"
        " where log._cdc_status <> 'rejected'"
    )
    newest: Iterable[datetime] = (row[3] for row in partitions if row[3] is not None)
    return LogState(
        until={(incarnation, partition): until for incarnation, partition, until, _ in partitions},
        newest=max((moment.replace(tzinfo=UTC) for moment in newest), default=None),
        quarantined=quarantined,
        older_declarations=older,
    )


def _consumers(query: Query, operations: str) -> list[tuple[Any, ...]]:
    """Each table with the run that it has read last, and the newest that has ended.

    By the watermarks; those of data tests tell what was looked at, not what was built.
    """
    return query(
        "select watermarks.consumer, max(abs(watermarks.run_number)), max(ended.run_number)"
        f" from {operations}.watermarks as watermarks cross join (select max(run_number) as"
        f" run_number from {operations}.runs where status <> 'running') as ended"
        " where left(watermarks.consumer, 5) <> 'test.' and ended.run_number is not null"
        " group by watermarks.consumer order by 1"
    )


def _last_run(query: Query, operations: str) -> Run | None:
    rows = query(
        f"select run_number, status, started_at, finished_at from {operations}.runs"
        " order by run_number desc limit 1"
    )
    if not rows:
        return None
    [(number, status, started_at, finished_at)] = rows
    return Run(
        number,
        status,
        started_at.replace(tzinfo=UTC),
        finished_at.replace(tzinfo=UTC) if finished_at else None,
    )
