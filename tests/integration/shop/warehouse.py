"""A warehouse file as dbt would leave it, made from the audit itself: a faithful one to spoil."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ingestion.declarations import Table, load
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import MEASURES, Source, open_source


def faithful_warehouse(dsn: str, path: Path, salt: str, captured_from: int) -> None:
    """Write histories, accepted changes and totals to `path`.

    Audit rows up to the sequence number `captured_from` are what a snapshot read, later ones are
    changes. The way from the audit's text to typed values is the comparison's own; that this way is
    right is shown by tests of `Source.changes` and of the whole pipeline.
    """
    connection = duckdb.connect(path)
    try:
        connection.execute("create schema history; create schema staging; create schema marts")
        with open_source(dsn) as source:
            for table in load().tables:
                _write_table(connection, source, Scope(table, salt), captured_from)
            _write_totals(connection, source)
    finally:
        connection.close()


def _write_table(
    connection: duckdb.DuckDBPyConnection, source: Source, scope: Scope, captured_from: int
) -> None:
    table = scope.table
    connection.register("audit_text", source.changes(table))
    keys, names = ", ".join(table.primary_key), ", ".join(scope.names)
    values = ", ".join(f"{scope.source_value(column)} as {column.name}" for column in scope.columns)
    connection.execute(
        f"""
        create or replace temp table changes as
        select cast(_sequence as bigint) as sequence, cast(_part as bigint) as part,
            _operation as op, make_timestamp(cast(_committed_ms as bigint) * 1000) as ended,
            {values}
        from audit_text
        """
    )
    connection.execute(
        f"""
        create or replace temp table versions as
        select
            'r' as _cdc_op,
            '0001:' || printf('%016d', {captured_from}) || ':00' as _cdc_position,
            (
                select max(ended) + interval '1 millisecond' from changes
                where sequence <= {captured_from}
            ) as _cdc_committed_at,
            {names}
        from (
            select *, row_number() over (partition by {keys} order by sequence desc, part desc) as n
            from changes where sequence <= {captured_from}
        ) where n = 1 and op <> 'd'
        union all
        select op, '0001:' || printf('%016d', sequence) || ':0' || part, ended, {names}
        from changes where sequence > {captured_from}
        """
    )
    connection.execute(_relation(table, keys))
    connection.unregister("audit_text")


def _relation(table: Table, keys: str) -> str:
    if table.history == "all":
        return f"""
            create table history.{table.name}_history as
            select *, _cdc_op = 'd' as is_deleted, lead(_cdc_committed_at) over (
                partition by {keys} order by _cdc_position
            ) as dbt_valid_to
            from versions"""
    return f"""
        create table staging.stg_retail__{table.name} as
        select *, true as _cdc_commit_known, '' as _cdc_row_hash, '' as _cdc_before_hash,
            timestamp '2026-01-01' as kafka_timestamp, 1 as _cdc_incarnation,
            0 as kafka_partition, row_number() over () as kafka_offset
        from versions"""


def _write_totals(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    measures = ", ".join(f"{name} decimal(38, 2)" for name in MEASURES)
    connection.execute(
        "create table marts.agg_daily_sales "
        f"(sales_date date, store_id integer, currency_code varchar, {measures})"
    )
    places = ", ".join(["?"] * (3 + len(MEASURES)))
    connection.executemany(
        f"insert into marts.agg_daily_sales values ({places})",
        [[*group, *values] for group, values in source.totals().items()],
    )
