"""The source's side, as temporary relations of the connection to the warehouse.

DuckDB is used as a calculator only: the source's side is what `Source` read, the warehouse's side
what dbt left in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.case_folding import compared_key, with_folded_key
from lakehouse.dbt_files import staging_view
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import MEASURES, Group

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def load_source(connection: duckdb.DuckDBPyConnection, scope: Scope, changes: pa.Table) -> None:
    """The relation source_versions, from what `Source.changes` returned for the table."""
    keys = ", ".join(compared_key(scope.table))
    values = ", ".join(f"{scope.source_value(column)} as {column.name}" for column in scope.columns)
    connection.register("source_text", changes)
    # Within a key the sequence is the order of commits: a row lock is held until its transaction
    # ends. `_place` counts from the newest version, because the oldest may precede the capture.
    connection.execute(
        f"""
        create or replace temp table source_versions as
        select
            *,
            row_number() over (partition by {keys} order by _sequence desc, _part desc) as _place
        from (
            select {with_folded_key(scope.table)}
            from (
                select
                    cast(_sequence as bigint) as _sequence,
                    cast(_part as bigint) as _part,
                    _operation,
                    cast(_committed_ms as bigint) as _committed_ms,
                    {values}
                from source_text
            )
        )
        """
    )
    connection.unregister("source_text")


def load_rows(connection: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """The temporary table that `MARTS` read, from the relation source_versions.

    A row that the source has no longer is expected as the last delete that was accepted of it; one
    of which no delete was heard is not expected at all.
    """
    names, keys = ", ".join(scope.names), ", ".join(compared_key(scope.table))
    connection.execute(
        f"""
        create or replace temp table {scope.table.name} as
        with alive as (
            select {names} from source_versions where _place = 1 and _operation <> 'd'
        )
        select *, false as is_deleted from alive
        union all
        select {names}, true from (
            select distinct on ({keys}) {names}
            from staging.{staging_view(scope.table)} as changes
            anti join (select {with_folded_key(scope.table)} from alive) using ({keys})
            where _cdc_op = 'd' and {scope.mine}
            order by {keys}, _cdc_position desc
        )
        """
    )


def load_totals(
    connection: duckdb.DuckDBPyConnection, totals: Mapping[Group, tuple[Decimal, ...]]
) -> None:
    """The temporary table daily_sales, from what `Source.totals` returned."""
    measures = ", ".join(f"{name} decimal(38, 2)" for name in MEASURES)
    connection.execute(
        "create or replace temp table daily_sales"
        f" (sales_date date, store_id integer, currency_code varchar, {measures})"
    )
    places = ", ".join(["?"] * (3 + len(MEASURES)))
    if totals:
        connection.executemany(
            f"insert into daily_sales values ({places})",
            [[*group, *values] for group, values in totals.items()],
        )
