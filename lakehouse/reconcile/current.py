"""The comparison of current rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingestion.declarations import Table
from lakehouse.reconcile.findings import Difference, explain_rows
from lakehouse.reconcile.scope import SHOWN, Scope, differs, key_text, only_row, rank

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class RowsCompared:
    """Counts of current rows on both sides and of those that differ."""

    source: int
    warehouse: int
    differing: int
    differences: tuple[Difference, ...]


def compare_rows(connection: duckdb.DuckDBPyConnection, scope: Scope) -> RowsCompared:
    """Compare current rows: open versions that are no deletes, or the latest accepted change."""
    keys, values = ", ".join(scope.table.primary_key), ", ".join(scope.names)
    relation = current_rows(scope.table, values)
    # A key with two current rows meets the source with its first one; the second one is extra.
    connection.execute(
        f"""
        create or replace temp table warehouse_rows as
        select *, row_number() over (partition by {keys}) as _copy from ({relation})
        """
    )
    join = " and ".join(f"source.{name} = warehouse.{name}" for name in scope.table.primary_key)
    first = scope.table.primary_key[0]
    shown = ", ".join(
        [f"source.{name}" for name in scope.names] + [f"warehouse.{name}" for name in scope.names]
    )
    body = f"""
        from (
            select *, 1 as _copy from source_versions where _place = 1 and _operation <> 'd'
        ) as source
        full outer join warehouse_rows as warehouse
            on {join} and source._copy = warehouse._copy
        """
    differing = f"source.{first} is null or warehouse.{first} is null or {differs(scope.names)}"
    source, warehouse, count = only_row(
        connection,
        f"select count(source.{first}), count(warehouse.{first}), "
        f"count(*) filter (where {differing}) {body}",
    )
    found = connection.execute(
        f"select source.{first} is null, warehouse.{first} is null, {shown} {body} "
        f"where {differing} order by "
        + ", ".join(
            f"coalesce(source.{name}, warehouse.{name})" for name in scope.table.primary_key
        )
        + f" limit {SHOWN}"
    ).fetchall()
    width = len(scope.names)
    differences = []
    for no_source, no_warehouse, *both in found:
        ours = None if no_source else tuple(both[:width])
        theirs = None if no_warehouse else tuple(both[width:])
        held = dict(zip(scope.names, ours or theirs or (), strict=True))
        key = tuple(held[name] for name in scope.table.primary_key)
        differences.append(
            explain_rows(key_text(scope.table.primary_key, key), scope.names, ours, theirs)
        )
    return RowsCompared(source, warehouse, count, tuple(differences))


def current_rows(table: Table, values: str) -> str:
    """SQL: `values` of the rows that the warehouse takes for current."""
    if table.history != "all":
        return _latest(table, values)
    return f"""
        select {values} from history.{table.name}_history
        where dbt_valid_to is null and not is_deleted"""


def _latest(table: Table, values: str) -> str:
    """SQL: the rows whose latest accepted change is no delete.

    A read that was made while the transaction of a change before it in order was still open is
    stale (docs/semantics.md): PostgreSQL's first transaction after a snapshot has no known commit.
    """
    keys = ", ".join(table.primary_key)
    order = f"_cdc_position, {rank('_cdc_op')}"
    return f"""
        select {values}
        from (
            select
                *,
                row_number() over (
                    partition by {keys}
                    order by
                        _cdc_position desc, {rank("_cdc_op")} desc, _cdc_committed_at desc,
                        kafka_timestamp desc, _cdc_incarnation desc, kafka_partition desc,
                        kafka_offset desc
                ) as _latest
            from (
                select
                    *,
                    first_value(
                        case when not _cdc_commit_known then _cdc_before_hash end ignore nulls
                    ) over (
                        partition by {keys}, _island order by {order}
                        rows between unbounded preceding and current row
                    ) as _overtaken
                from (
                    select
                        *,
                        count(*) filter (where _cdc_commit_known and _cdc_op <> 'r') over (
                            partition by {keys} order by {order}
                            rows between unbounded preceding and current row
                        ) as _island
                    from staging.stg_retail__{table.name}
                )
            )
            where not (_cdc_op = 'r' and coalesce(_cdc_row_hash = _overtaken, false))
        )
        where _latest = 1 and _cdc_op <> 'd'"""
