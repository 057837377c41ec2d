"""The comparison of histories, version by version, from the newest one backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.case_folding import compared_key
from lakehouse.reconcile.findings import Difference, HistoryReport, Version, explain
from lakehouse.reconcile.scope import SHOWN, Scope, differs, key_text, only_row
from lakehouse.source.positions import IS_DERIVED, LOG_PLACE

if TYPE_CHECKING:
    import duckdb


# Versions at one place follow each other in time: the one that goes on is the later one.
_ORDER = "_cdc_order, dbt_valid_to nulls last"


def first_reads(
    connection: duckdb.DuckDBPyConnection, scopes: Sequence[Scope]
) -> dict[str, int | None]:
    """When each table's capture began: the commit time (milliseconds) of its earliest first read.

    Whatever was committed later was streamed, so the warehouse must know it. A table without any
    first read began with the earliest of the others; None when there was no snapshot at all. Reads
    that were derived from a before image have a position of zeros and no time of their own.
    """
    found: dict[str, int | None] = {}
    for scope in scopes:
        table = scope.table
        if table.history == "all":
            keys = ", ".join(compared_key(table))
            row = connection.execute(
                f"""
                select min(committed_ms) from (
                    select
                        epoch_ms(_cdc_committed_at) as committed_ms,
                        _cdc_op,
                        _cdc_position,
                        row_number() over (partition by {keys} order by {_ORDER}) as place
                    from history.{table.name}_history
                    where {scope.mine}
                )
                where place = 1 and _cdc_op = 'r' and not {IS_DERIVED}
                """
            ).fetchone()
            found[table.name] = row[0] if row else None
    known = [began for began in found.values() if began is not None]
    fallback = min(known) if known else None
    return {
        name: found.get(name) if found.get(name) is not None else fallback
        for name in (scope.table.name for scope in scopes)
    }


def compare_versions(
    connection: duckdb.DuckDBPyConnection, scope: Scope, capture_began: int | None
) -> HistoryReport:
    """Compare the history of a table with the relation source_versions (see `load_source`)."""
    _load_versions(connection, scope)
    keys = compared_key(scope.table)
    key_list = ", ".join(f"coalesce(source.{name}, warehouse.{name}) as {name}" for name in keys)
    join = " and ".join(f"source.{name} = warehouse.{name}" for name in (*keys, "_place"))
    edge = " and ".join(f"source.{name} = edges.{name}" for name in keys)
    # A version from before the capture may be missing, unless it is the state in which the capture
    # found the row: of a key that is alive, or of one whose first known change is u or d.
    excused = (
        "false"
        if capture_began is None
        else f"""warehouse._place is null and source._committed_ms <= {capture_began}
            and case
                when edges._oldest is null then source._last_operation = 'd'
                when edges._oldest in ('r', 'c') then true
                else source._place > edges._total + 1
            end"""
    )
    # A read says what the capture found; what was committed later has to be there as a change.
    streamed = "false" if capture_began is None else f"source._committed_ms > {capture_began}"
    connection.execute(
        f"""
        create or replace temp table joined as
        with edges as (
            select {", ".join(keys)}, count(*) as _total, max_by(_operation, _place) as _oldest
            from warehouse_versions
            group by {", ".join(keys)}
        ),
        source as (
            select
                *,
                first_value(_operation) over (
                    partition by {", ".join(keys)} order by _place
                    rows between unbounded preceding and unbounded following
                ) as _last_operation
            from source_versions
        )
        select
            {key_list},
            coalesce(source._place, warehouse._place) as _place,
            source._place is not null as _in_source,
            warehouse._place is not null as _in_warehouse,
            coalesce({excused}, false) as _excused,
            case
                when source._place is null or warehouse._place is null then true
                when warehouse._operation = 'r' and warehouse._place = edges._total
                    then source._operation = 'd' or {streamed} or {differs(scope.names)}
                else
                    source._operation <> warehouse._operation
                    or source._committed_ms <> warehouse._committed_ms
                    or {differs(scope.names)}
            end as _differs
        from source
        full outer join warehouse_versions as warehouse on {join}
        left join edges on {edge}
        """
    )
    in_source, in_warehouse, before_capture, count = only_row(
        connection,
        f"""
        select
            count(*) filter (where _in_source), count(*) filter (where _in_warehouse),
            count(*) filter (where _excused),
            count(distinct ({", ".join(keys)})) filter (where _differs and not _excused)
        from joined
        """,
    )
    differing = connection.execute(
        f"select distinct {', '.join(keys)} from joined where _differs and not _excused "
        f"order by {', '.join(keys)} limit {SHOWN}"
    ).fetchall()
    differences = tuple(_explain(connection, scope, key, capture_began) for key in differing)
    return HistoryReport(
        scope.table.name, in_source, in_warehouse, before_capture, count, differences
    )


def _load_versions(connection: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """The history, with the deferred updates of SQL Server folded into the updates they are.

    SQL Server logs an update of a unique column as a delete and an insert of one key at one place
    of the log: positions that differ in their last part only.
    """
    keys, values = ", ".join(compared_key(scope.table)), scope.compared
    connection.execute(
        f"""
        create or replace temp table warehouse_versions as
        with ordered as (
            select
                {values},
                _cdc_op as _operation,
                row_number() over key_order as _ordinal,
                {LOG_PLACE} as _log_place,
                epoch_ms(_cdc_committed_at) as _committed_ms,
                lag(_cdc_op) over key_order as _previous_operation,
                lag({LOG_PLACE}) over key_order as _previous_place,
                lead(_cdc_op) over key_order as _next_operation,
                lead({LOG_PLACE}) over key_order as _next_place
            from history.{scope.table.name}_history
            where {scope.mine}
            window key_order as (partition by {keys} order by {_ORDER})
        ),
        folded as (
            select
                {values},
                case
                    when
                        _operation = 'c' and _previous_operation = 'd'
                        and _previous_place = _log_place
                        then 'u'
                    else _operation
                end as _operation,
                _ordinal,
                _committed_ms
            from ordered
            where not coalesce(
                _operation = 'd' and _next_operation = 'c' and _next_place = _log_place, false
            )
        )
        select
            *,
            row_number() over (partition by {keys} order by _ordinal desc) as _place
        from folded
        """
    )


def _explain(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    key: tuple[Any, ...],
    capture_began: int | None,
) -> Difference:
    text = key_text(scope.table.primary_key, key)
    source = _versions(connection, scope, "source_versions", key)
    warehouse = _versions(connection, scope, "warehouse_versions", key)
    found, later = _since_capture(source, capture_began)
    try:
        return explain(text, scope.names, [*found, *later], warehouse, begins_found=bool(found))
    except ValueError:
        # Both sides of a moment in which the snapshot was being read: then all versions tell.
        return explain(text, scope.names, source, warehouse)


def _versions(
    connection: duckdb.DuckDBPyConnection, scope: Scope, relation: str, key: tuple[Any, ...]
) -> list[Version]:
    """The versions of `key` in `relation`, oldest first."""
    match = " and ".join(f"{name} = ?" for name in compared_key(scope.table))
    rows = connection.execute(
        f"select _operation, _committed_ms, {', '.join(scope.names)} from {relation} "
        f"where {match} order by _place desc",
        list(key),
    ).fetchall()
    return [Version(operation, at, tuple(values)) for operation, at, *values in rows]


def _since_capture(
    versions: list[Version], capture_began: int | None
) -> tuple[list[Version], list[Version]]:
    """The state that the capture found, if the row existed, and every change after that."""
    if capture_began is None:
        return [], versions
    later = [version for version in versions if (version.committed_ms or 0) > capture_began]
    earlier = versions[: len(versions) - len(later)]
    return [version for version in earlier[-1:] if version.operation != "d"], later
