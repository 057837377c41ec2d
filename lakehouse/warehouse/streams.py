"""What the streaming views are doing: queries of Redshift's system views, folded into values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError
from lakehouse.warehouse.catalog import Connection, names, relations

ROLES = ("loader", "transformer", "analyst")


@dataclass(frozen=True)
class StreamState:
    """A streaming view: `logged` and `waiting` count records of its table, over all partitions.

    `waiting` are streamed records beyond the log; `logged` is None before the first build.
    """

    view: str
    auto_refresh: bool
    rows: int
    refreshed_at: str
    refresh_status: str
    logged: int | None
    waiting: int | None

    @property
    def has_failed(self) -> bool:
        """Whether the last refresh ended with an error."""
        return "fail" in self.refresh_status.lower()

    def cells(self) -> tuple[str, ...]:
        """The state as cells of a table for people."""
        return (
            self.view,
            "yes" if self.auto_refresh else "no",
            str(self.rows),
            self.refreshed_at or "never",
            self.refresh_status or "-",
            "-" if self.logged is None else str(self.logged),
            "-" if self.waiting is None else str(self.waiting),
        )


def stream_states(warehouse: Connection, declarations: Declarations) -> list[StreamState]:
    """The state of every streaming view, by name."""
    staging = f"{warehouse.settings.schema_prefix}staging"
    tables = {table.name for table in declarations.tables}
    built = relations(warehouse, staging)
    refreshes = _last_refreshes(warehouse)
    states = []
    for view, auto in warehouse.rows(
        "select trim(name), autorefresh from svv_mv_info"
        " where schema_name = 'streaming' order by name"
    ):
        table = str(view).rpartition("_")[0]
        if table not in tables:
            continue
        logged = waiting = None
        if f"{staging}.{table}__log" in built:
            logged = _count(warehouse, f"select count(*) from {staging}.{table}__log")
            waiting = _count(warehouse, _waiting_sql(staging, table))
        at, status = refreshes.get(str(view), ("", ""))
        states.append(
            StreamState(
                view=str(view),
                auto_refresh=str(auto).lower() in ("t", "true", "1"),
                rows=_count(warehouse, f"select count(*) from streaming.{view}"),
                refreshed_at=at,
                refresh_status=status,
                logged=logged,
                waiting=waiting,
            )
        )
    return states


def view_names(warehouse: Connection) -> frozenset[str]:
    """The names of the streaming views."""
    # names in Redshift's views of materialized views are char(128): they come with blanks
    return names(warehouse, "select trim(name) from svv_mv_info where schema_name = 'streaming'")


def refresh_streams(warehouse: Connection, tables: Sequence[str]) -> list[str]:
    """Refresh the views of `tables`; returns their names.

    Raises:
        TerminalError: a table has no view, or its refresh fails.
    """
    views = sorted(view_names(warehouse))
    chosen = []
    for table in tables:
        own = [view for view in views if view.rpartition("_")[0] == table]
        if not own:
            raise TerminalError(
                f"table {table} has no streaming view: run `lakehouse warehouse deploy`"
            )
        chosen += own
    for view in chosen:
        warehouse.run(f"refresh materialized view streaming.{view}")
    return chosen


def grant_rows(warehouse: Connection) -> list[tuple[str, str, str]]:
    """Role, privilege, object: existing roles, their schemas, the masked columns of analyst."""
    listed = "', '".join(ROLES)
    found = [
        (str(role), "exists", "")
        for (role,) in warehouse.rows(
            f"select role_name from svv_roles where role_name in ('{listed}') order by role_name"
        )
    ]
    found += [
        (str(role), str(privilege).lower(), f"schema {schema}")
        for schema, privilege, role in warehouse.rows(
            "select namespace_name, privilege_type, identity_name from svv_schema_privileges"
            f" where identity_name in ('{listed}') order by 3, 1, 2"
        )
    ]
    found += [
        (str(role), "sees masked", f"{schema}.{table} {columns}")
        for schema, table, columns, role in warehouse.rows(
            "select schema_name, table_name, output_columns, grantee"
            " from svv_attached_masking_policy"
            f" where grantee in ('{listed}') order by 1, 2, 3"
        )
    ]
    return found


def _last_refreshes(warehouse: Connection) -> dict[str, tuple[str, str]]:
    return {
        str(view): (str(at), str(status))
        for view, at, status in warehouse.rows(
            "select trim(mv_name), start_time, status from sys_mv_refresh_history"
            " where schema_name = 'streaming' order by start_time"
        )
    }


def _waiting_sql(staging: str, table: str) -> str:
    """Streamed records beyond the log's last offset of their partition."""
    return f"""
        select count(*)
        from streaming.{table} as streamed
        left join (
            select _cdc_incarnation, kafka_partition, max(kafka_offset) as last_offset
            from {staging}.{table}__log
            group by _cdc_incarnation, kafka_partition
        ) as logged
            on
                streamed._cdc_incarnation = logged._cdc_incarnation
                and streamed.kafka_partition = logged.kafka_partition
        where streamed.kafka_offset > coalesce(logged.last_offset, -1)
    """


def _count(warehouse: Connection, sql: str) -> int:
    return int(warehouse.rows(sql)[0][0])
