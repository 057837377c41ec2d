"""What `lakehouse doctor` looks at on Redshift, as whoever runs it may see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ingestion.declarations import Declarations
from ingestion.errors import LakehouseError
from ingestion.landing.layout import incarnation_folder
from lakehouse.health.checks import Result
from lakehouse.warehouse.catalog import Connection, exists
from lakehouse.warehouse.deployment import require_case_sensitive_identifiers
from lakehouse.warehouse.sessions import is_superuser, running, sessions
from lakehouse.warehouse.streams import STALE_SECONDS, refreshes, stream_problems


class _Check(Protocol):
    def __call__(self, warehouse: Connection, declarations: Declarations, /) -> Result: ...


def check_redshift(warehouse: Connection, declarations: Declarations) -> Iterator[Result]:
    """The checks in the order in which a build meets them; each runs whatever became of others."""
    for name, check in _CHECKS.items():
        try:
            yield check(warehouse, declarations)
        except LakehouseError as error:
            yield Result(name, "broken", str(error))


def _login(warehouse: Connection, _: Declarations) -> Result:
    [(user,)] = warehouse.rows("select current_user")
    sees = "" if is_superuser(warehouse) else ", who sees own sessions, refreshes and views only"
    return Result("login", "ok", f"{user}{sees}")


def _identifiers(warehouse: Connection, _: Declarations) -> Result:
    require_case_sensitive_identifiers(warehouse)
    return Result("identifiers", "ok", "case-sensitive")


def _isolation(warehouse: Connection, _: Declarations) -> Result:
    """Builds work under both levels (docs/redshift.md)."""
    found = warehouse.rows(
        "select trim(isolation_level) from stv_db_isolation_level"
        " where db_name = current_database()"
    )
    return Result("isolation", "ok", found[0][0] if found else "not told")


def _streams(warehouse: Connection, declarations: Declarations) -> Result:
    views = refreshes(warehouse, declarations)
    problems = stream_problems(views, declarations, STALE_SECONDS)
    if not problems:
        return Result("streams", "ok", f"{len(views)} views, all refreshed in the last hour")
    found = "; ".join(problems[:3]) + (f"; {len(problems) - 3} more" if problems[3:] else "")
    advice = "`lakehouse warehouse status` shows all; docs/runbooks/redshift_streaming_view.md"
    return Result("streams", "attention", found, advice)


def _partitions(warehouse: Connection, declarations: Declarations) -> Result:
    """Two queries, because the views of external tables are the leader node's (c_join_PG)."""
    operations = f"{warehouse.settings.schema_prefix}operations"
    if not exists(warehouse, operations, "ledger"):
        return Result("partitions", "attention", "no ledger was read yet", "run `dbt build`")
    registered = {
        "/".join(str(location).rstrip("/").split("/")[-4:])
        for (location,) in warehouse.rows(
            "select location from svv_external_partitions where schemaname = 'landing'"
        )
    }
    tables = {table.name for table in declarations.tables}
    landed = {
        f"{incarnation_folder(table, incarnation)}/landing_date={day}/topic_partition={partition}"
        for table, incarnation, day, partition in warehouse.rows(
            "select distinct table_name, incarnation, cast(landing_date as varchar(10)),"
            f" kafka_partition from {operations}.ledger where landing_date is not null"
        )
        if table in tables
    }
    if missing := sorted(landed - registered):
        return Result(
            "partitions",
            "attention",
            f"{len(missing)} landed folders are not registered, the first is {missing[0]}",
            "the next `dbt build` registers them; where it does not, its user has no right to",
        )
    return Result("partitions", "ok", f"{len(registered)} registered")


def _lock(warehouse: Connection, _: Declarations) -> Result:
    runs = running(warehouse)
    if not runs:
        return Result("run lock", "ok", "free")
    number, _invocation, since = runs[0]
    own = [session.session for session in sessions(warehouse) if session.run == number]
    if own:
        return Result("run lock", "ok", f"run {number} since {since}, session {own[0]} is at work")
    return Result(
        "run lock",
        "attention",
        f"run {number} since {since}: no session of it is seen at work",
        f"if its process is dead: `lakehouse warehouse end --run {number}`",
    )


def _waits(warehouse: Connection, _: Declarations) -> Result:
    waiting = [session for session in sessions(warehouse) if session.waits_for]
    if not waiting:
        return Result("locks", "ok", "nobody waits")
    first = waiting[0]
    return Result(
        "locks",
        "attention",
        f"session {first.session} waits for {', '.join(first.waits_for)}",
        "`lakehouse warehouse sessions` names the command that ends the one in the way",
    )


_CHECKS: dict[str, _Check] = {
    "login": _login,
    "identifiers": _identifiers,
    "isolation": _isolation,
    "streams": _streams,
    "partitions": _partitions,
    "run lock": _lock,
    "locks": _waits,
}
