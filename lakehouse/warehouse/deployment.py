"""Everything on Redshift that dbt's models read and do not make; docs/redshift.md explains it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from uuid import uuid4

from ingestion.declarations import Declarations
from ingestion.errors import RefusedError, TerminalError
from ingestion.settings import Settings
from lakehouse.warehouse.access import deploy_access
from lakehouse.warehouse.catalog import Connection, relations
from lakehouse.warehouse.landing_tables import external_statements
from lakehouse.warehouse.plan import Plan
from lakehouse.warehouse.streaming_views import streaming_statements


def deploy_warehouse(plan: Plan, declarations: Declarations, settings: Settings) -> None:
    """Make what is missing; a second time there is nothing to do.

    It never drops a view that holds rows: those of a recreated topic's old view go to the archive
    first.

    Raises:
        RefusedError: external tables have to be made anew, and a build is running.
        TerminalError: the warehouse folds names, or refuses a statement, such as a mask.
    """
    warehouse = plan.warehouse
    require_case_sensitive_identifiers(warehouse)
    external = external_statements(warehouse, declarations, settings)
    operations = f"{warehouse.settings.schema_prefix}operations"
    # A table that is made anew has no partitions until the next build: none may be reading it.
    is_read = f"{operations}.runs" in relations(warehouse, operations)
    is_remade = any(statement.sql.startswith("drop table") for statement in external)
    locks = is_remade and is_read and not plan.dry_run
    with _run_lock(warehouse, operations) if locks else nullcontext():
        plan.carry_out(*external)
    plan.carry_out(*streaming_statements(warehouse, declarations, settings.source))
    deploy_access(plan)


def require_case_sensitive_identifiers(warehouse: Connection) -> None:
    """Topics of SQL Server's tables have capitals.

    A session's own setting would let the views be made, but auto refresh runs without it and would
    look for a topic in small letters.

    Raises:
        TerminalError: the warehouse folds names.
    """
    [(value,)] = warehouse.rows("show enable_case_sensitive_identifier")
    if value.lower() not in ("on", "true", "1"):
        raise TerminalError(
            f"enable_case_sensitive_identifier is {value}: set it to true in the workgroup's or "
            "cluster's parameters (see docs/runbooks/deployment.md), then run again"
        )


@contextmanager
def _run_lock(warehouse: Connection, operations: str) -> Iterator[None]:
    """Hold the lock that builds take (the macro start_run), and give it back however this ends.

    Raises:
        RefusedError: a build holds it.
    """
    runs, own = f"{operations}.runs", f"deploy-{uuid4()}"
    for statement in (
        "begin",
        f"lock {runs}",
        # as dbt says it (macro query_comment): `lakehouse warehouse end --run` finds the session
        f'/* {{"app": "lakehouse", "invocation_id": "{own}"}} */\n'
        f"insert into {runs} (run_number, invocation_id, started_at, status)"
        f" select coalesce(max(runs.run_number), 0) + 1, '{own}', getdate(), 'running'"
        f" from {runs} as runs",
        "commit",
    ):
        warehouse.run(statement)
    status = "failed"
    try:
        number, holder, since = warehouse.rows(
            f"select run_number, invocation_id, started_at from {runs}"
            " where status = 'running' order by run_number"
        )[0]
        if holder != own:
            raise RefusedError(
                f"run {number} (invocation {holder}) has been building since {since} UTC, and "
                "external tables have to be made anew. Wait for it to finish; if its process is "
                f"dead, end it: `lakehouse warehouse end --run {number}`"
            )
        yield
        status = "succeeded"
    finally:
        warehouse.run(
            f"update {runs} set finished_at = getdate(), status = '{status}'"
            f" where invocation_id = '{own}'"
        )
