"""What the streaming views are doing: queries of Redshift's system views, folded into values."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError
from lakehouse.warehouse.catalog import Connection, relations

ROLES = ("loader", "transformer", "analyst")
# A view whose last refresh is older asks for attention, where nobody says otherwise.
STALE_SECONDS = 3_600


@dataclass(frozen=True)
class Refreshes:
    """How a streaming view is refreshed.

    `age_seconds` is the time since its last refresh that did not fail, None where none is known
    (Redshift keeps a week); `lag_seconds` how old the newest record was when it was read, None
    where none was read in the last hour.
    """

    view: str
    auto_refresh: bool
    refreshed_at: str
    refresh_status: str
    age_seconds: int | None
    lag_seconds: int | None

    @property
    def table(self) -> str:
        """The declared table whose records it has."""
        return self.view.rpartition("_")[0]


@dataclass(frozen=True)
class StreamState(Refreshes):
    """A streaming view: `logged` and `waiting` count records of its table, over all partitions.

    `waiting` are streamed records beyond the log; `logged` is None before the first build.
    """

    rows: int
    logged: int | None
    waiting: int | None

    def cells(self) -> tuple[str, ...]:
        """The state as cells of a table for people."""
        counts = (self.lag_seconds, self.rows, self.logged, self.waiting)
        return (
            self.view,
            "yes" if self.auto_refresh else "no",
            self.refreshed_at or "never",
            self.refresh_status or "-",
            *("-" if count is None else str(count) for count in counts),
        )


def stream_problems(
    views: Sequence[Refreshes], declarations: Declarations, stale_seconds: int
) -> list[str]:
    """What is wrong with the streaming views, a sentence each with what to do."""
    found = [
        f"{table}: no streaming view is in sight. Run `lakehouse warehouse deploy`; only its owner "
        "and administrators see one that is there"
        for table in missing_views(views, declarations)
    ]
    for view in views:
        if "fail" in view.refresh_status.lower():
            found.append(f"{view.view}: the last refresh failed: {view.refresh_status}")
        if not view.auto_refresh:
            found.append(
                f"{view.view}: automatic refreshes are off: an archive was interrupted, or "
                "somebody turned them off. `lakehouse warehouse deploy` turns them on"
            )
        if view.age_seconds is None or view.age_seconds > stale_seconds:
            age = "ever" if view.age_seconds is None else f"for {view.age_seconds // 60} minutes"
            found.append(
                f"{view.view}: not refreshed {age}. Run `lakehouse warehouse refresh {view.table}`"
            )
    return found


def missing_views(views: Sequence[Refreshes], declarations: Declarations) -> list[str]:
    """The declared tables without a streaming view that this user can see, by name."""
    return sorted({table.name for table in declarations.tables} - {view.table for view in views})


def refreshes(warehouse: Connection, declarations: Declarations) -> list[Refreshes]:
    """How every streaming view of a declared table is refreshed, by name.

    SVV_MV_INFO.is_stale is not asked: it is 'u' (unknown) of a view over a stream.
    """
    tables = {table.name for table in declarations.tables}
    history = {view: (at, status, age) for view, at, status, age in warehouse.rows(_REFRESHED)}
    lags = dict(warehouse.rows(_LAG))
    found = []
    for view, auto in sorted(auto_refreshes(warehouse).items()):
        at, status, age = history.get(view, ("", "", None))
        found.append(Refreshes(view, auto, at, status, age, lags.get(view)))
    return [each for each in found if each.table in tables]


# names in Redshift's views of materialized views are char(128): they come with blanks
_REFRESHED = """\
select
    view,
    max(case when place = 1 then cast(start_time as varchar(32)) end) as refreshed_at,
    max(case when place = 1 then status end) as status,
    min(case when lower(status) not like '%fail%' then age end) as age
from (
    select
        trim(mv_name) as view,
        start_time,
        status,
        datediff(second, start_time, getdate()) as age,
        row_number() over (partition by mv_name order by start_time desc) as place
    from sys_mv_refresh_history
    where schema_name = 'streaming'
) as refreshed
group by view"""
_LAG = """\
select view, max(lag_seconds) as lag_seconds
from (
    select
        trim(mv_name) as view,
        datediff(second, stream_record_time_max, record_time) as lag_seconds,
        row_number() over (partition by mv_name, partition_id order by record_time desc) as place
    from sys_stream_scan_states
    where stream_record_time_max is not null and record_time > dateadd(hour, -1, getdate())
) as scanned
where place = 1
group by view"""


def stream_states(warehouse: Connection, declarations: Declarations) -> list[StreamState]:
    """The state of every streaming view, by name."""
    staging = f"{warehouse.settings.schema_prefix}staging"
    built = relations(warehouse, staging)
    states = []
    for each in refreshes(warehouse, declarations):
        logged = waiting = None
        if f"{staging}.{each.table}__log" in built:
            logged = _count(warehouse, f"select count(*) from {staging}.{each.table}__log")
            waiting = _count(warehouse, _waiting_sql(staging, each.table))
        rows = _count(warehouse, f"select count(*) from streaming.{each.view}")
        states.append(StreamState(**vars(each), rows=rows, logged=logged, waiting=waiting))
    return states


def auto_refreshes(warehouse: Connection) -> dict[str, bool]:
    """The streaming views, and whether Redshift refreshes each by itself."""
    told = "select trim(name), autorefresh from svv_mv_info where schema_name = 'streaming'"
    return {str(view): str(auto) == "t" for view, auto in warehouse.rows(told)}


def refresh_streams(
    warehouse: Connection,
    tables: Sequence[str],
    wait_seconds: int = 0,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Refresh the views of `tables`; returns their names.

    Redshift refuses one that it is refreshing by itself, in words that no page tells; then it is
    tried again for `wait_seconds`.

    Raises:
        TerminalError: a table has no view, or its refresh fails.
    """
    views = sorted(auto_refreshes(warehouse))
    chosen = []
    for table in tables:
        own = [view for view in views if view.rpartition("_")[0] == table]
        if not own:
            raise TerminalError(
                f"table {table} has no streaming view: run `lakehouse warehouse deploy`"
            )
        chosen += own
    left = wait_seconds
    for view in chosen:
        while True:
            try:
                warehouse.run(f"refresh materialized view streaming.{view}")
                break
            except TerminalError as error:
                said = str(error).partition("\n")[0]
                if left <= 0 or not _ANOTHER_REFRESH.search(said):
                    raise
            sleep(min(left, _LOOK_EVERY_SECONDS))
            left -= _LOOK_EVERY_SECONDS
    return chosen


_LOOK_EVERY_SECONDS = 5
_ANOTHER_REFRESH = re.compile(r"concurrent|conflict|in progress|already|being refreshed", re.I)


def grant_rows(warehouse: Connection) -> list[tuple[str, str, str]]:
    """Role, privilege, object: existing roles, their members, what they may, what is masked."""
    listed = "', '".join(ROLES)
    found = [
        (str(role), "exists", "")
        for (role,) in warehouse.rows(
            f"select role_name from svv_roles where role_name in ('{listed}') order by role_name"
        )
    ]
    found += [
        (str(role), "has member", str(user))
        for role, user in warehouse.rows(
            "select role_name, user_name from svv_user_grants"
            f" where role_name in ('{listed}') order by 1, 2"
        )
    ]
    found += [
        (str(role), str(privilege).lower(), f"database {database}")
        for role, privilege, database in warehouse.rows(
            "select identity_name, privilege_type, database_name from svv_database_privileges"
            f" where identity_name in ('{listed}') order by 1, 2, 3"
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
        (str(role), "reads", f"{schema}.{relation}")
        for role, schema, relation in warehouse.rows(
            "select identity_name, namespace_name, relation_name from svv_relation_privileges"
            " where privilege_type = 'SELECT' and identity_name = 'analyst' order by 1, 2, 3"
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
