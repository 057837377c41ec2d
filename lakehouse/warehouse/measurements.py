"""The warehouse's own metrics, from its tables and system views."""

from __future__ import annotations

from ingestion.declarations import Declarations
from lakehouse.warehouse.catalog import Connection, relations
from lakehouse.warehouse.streams import missing_views, refreshes


def measurements(warehouse: Connection, declarations: Declarations) -> dict[str, float]:
    """Metrics by name (docs/runbooks/operations.md); one that cannot be told yet is absent.

    Raises:
        TerminalError: Redshift refuses a query.
    """
    prefix = warehouse.settings.schema_prefix
    found = {"StreamingViewErrors": _number(warehouse, _SKIPPED) + _number(warehouse, _FAILED)}
    views = refreshes(warehouse, declarations)
    stopped = [view.view for view in views if not view.auto_refresh]
    found["StoppedStreamingViews"] = len(stopped) + len(missing_views(views, declarations))
    if views:
        ages = (_KEPT_SECONDS if each.age_seconds is None else each.age_seconds for each in views)
        lags = (each.lag_seconds or 0 for each in views)
        found["StreamingViewLagSeconds"] = float(max(*ages, *lags))
        oldest = " union all ".join(_OLDEST.format(view=each.view) for each in views)
        [(seconds,)] = warehouse.rows(f"select max(age) from ({oldest}) as views")
        found["SecondsSinceArchive"] = float(seconds or 0)
    built = relations(warehouse, f"{prefix}operations", f"{prefix}staging")
    runs, quarantine = f"{prefix}operations.runs", f"{prefix}staging.quarantine"
    drift = f"{prefix}staging.drift"
    if runs in built:
        age = warehouse.rows(
            f"select datediff(second, max(finished_at), getdate()) from {runs}"
            " where status = 'succeeded'"
        )[0][0]
        if age is not None:
            found["SecondsSinceLastBuild"] = float(age)
    if {runs, quarantine} <= built:
        found["QuarantinedRecords"] = _number(
            warehouse,
            f"select count(*) from {quarantine} as rejected inner join {runs} as runs"
            " on rejected._cdc_run = runs.run_number"
            " where runs.started_at > dateadd(day, -1, getdate())",
        )
    if drift in built:
        found["DriftedTables"] = _number(
            warehouse,
            f"select count(distinct table_name) from {drift}"
            " where is_current and accepted_at is null",
        )
    return found


# Redshift keeps a week of SYS_MV_REFRESH_HISTORY: a view that is not in it was refreshed before.
_KEPT_SECONDS = 7 * 86_400
_OLDEST = "select datediff(second, min(refresh_time), getdate()) as age from streaming.{view}"
# The last hour: an error is seen by several measurements in a row, whenever they are made.
_SKIPPED = (
    "select count(*) from sys_stream_scan_errors where record_time > dateadd(hour, -1, getdate())"
)
_FAILED = (
    "select count(*) from sys_mv_refresh_history where schema_name = 'streaming'"
    " and lower(status) like '%fail%' and start_time > dateadd(hour, -1, getdate())"
)


def _number(warehouse: Connection, sql: str) -> float:
    return float(warehouse.rows(sql)[0][0])
