"""The comparison of one table: both sides as relations of one DuckDB connection.

DuckDB is used as a calculator only: the source's side is what `Source` read, the warehouse's side
what dbt left in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.reconcile.current import compare_rows
from lakehouse.reconcile.findings import TableReport
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.versions import compare_versions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def compare_table(
    connection: duckdb.DuckDBPyConnection,
    scope: Scope,
    changes: pa.Table,
    capture_began: int | None,
) -> TableReport:
    """Compare one table.

    Args:
        connection: to the warehouse; temporary tables are made in it.
        scope: what is compared.
        changes: what `Source.changes` returned for the table.
        capture_began: from `first_reads`: older source versions may be unknown to the warehouse.
    """
    _load_source(connection, scope, changes)
    versions = None
    if scope.table.history == "all":
        versions = compare_versions(connection, scope, capture_began)
    rows = compare_rows(connection, scope)
    return TableReport(
        table=scope.table.name,
        source_versions=versions.source if versions else None,
        warehouse_versions=versions.warehouse if versions else None,
        before_capture=versions.before_capture if versions else None,
        differing_keys=versions.differing if versions else 0,
        source_rows=rows.source,
        warehouse_rows=rows.warehouse,
        differing_rows=rows.differing,
        skipped_columns=scope.skipped,
        differences=(versions.differences if versions else ()) + rows.differences,
    )


def _load_source(connection: duckdb.DuckDBPyConnection, scope: Scope, changes: pa.Table) -> None:
    keys = ", ".join(scope.table.primary_key)
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
            select
                cast(_sequence as bigint) as _sequence,
                cast(_part as bigint) as _part,
                _operation,
                cast(_committed_ms as bigint) as _committed_ms,
                {values}
            from source_text
        )
        """
    )
    connection.unregister("source_text")
