"""Reconciliation: the warehouse holds what the shop's audit holds, and nothing else.

What is compared, with no Kafka, Debezium or Parquet on the source's side:

- of each table with history every version, in order: operation, values, commit time to the
  millisecond. Versions are matched from the newest one backwards;
- the current rows of all tables;
- the money totals of each sales day, store and currency.

What it cannot see:

- versions from before the capture began. The state in which the capture found a row must be right
  (the first version is compared with the audit's row just before the first streamed one); what came
  before that is counted as such. When the capture began is told by the commit time of the earliest
  read of a table: a change committed later has to be there. Clocks of the source and of Debezium
  that differ move this border by their difference;
- changes that bypass triggers (a restored backup, replication roles, disabled triggers);
- hashed columns, if the salt is not given: they are left out, and named;
- a shop that trades on meanwhile: what is not yet landed and built differs. Let the pipeline catch
  up before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError, TransientError
from lakehouse.reconcile.compare import compare_table
from lakehouse.reconcile.findings import LostDelete, Reconciliation, TableReport
from lakehouse.reconcile.repair import lost_deletes
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import open_source
from lakehouse.reconcile.totals import compare_totals, warehouse_totals
from lakehouse.reconcile.versions import first_reads

if TYPE_CHECKING:
    import duckdb

OnTable = Callable[[str], None]


def reconcile(  # noqa: PLR0913 - two sides and what to compare
    declarations: Declarations,
    *,
    dsn: str,
    warehouse: Path,
    salt: str = "",
    with_totals: bool = True,
    on_table: OnTable | None = None,
) -> Reconciliation:
    """Compare the warehouse file with the audit in the shop's database.

    Args:
        declarations: the tables.
        dsn: libpq connection string of the shop's database.
        warehouse: the DuckDB file that dbt built; opened read-only.
        salt: of the columns with pii: hash, as the connector has it; empty to leave them out.
        with_totals: whether to compare marts.agg_daily_sales.
        on_table: called with each table's name before it is compared.

    Raises:
        TransientError: one of the two does not answer, or the warehouse is being written.
        TerminalError: one of the two is not what it should be.
    """
    with open_source(dsn) as source, _open_warehouse(warehouse) as connection:
        began = first_reads(connection, declarations.tables)
        reports: list[TableReport] = []
        lost: list[LostDelete] = []
        for table in declarations.tables:
            if on_table:
                on_table(table.name)
            changes = source.changes(table)
            report = compare_table(connection, Scope(table, salt), changes, began[table.name])
            reports.append(report)
            if report.differing_rows:
                lost.extend(lost_deletes(connection, table))
        totals = None
        if with_totals:
            if on_table:
                on_table("money totals")
            totals = compare_totals(source.totals(), warehouse_totals(connection))
        return Reconciliation(tuple(reports), totals, tuple(lost))


@contextmanager
def _open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    if not path.exists():
        raise TerminalError(
            f"{path}: no such warehouse; run `dbt build` first, or set LAKEHOUSE_DUCKDB"
        )
    try:
        connection = duckdb.connect(path, read_only=True)
    except duckdb.IOException as error:
        raise TransientError(
            f"{path}: cannot be opened, another process (dbt?) is writing it: {error}"
        ) from error
    try:
        connection.execute("set timezone = 'UTC'")
        yield connection
    except duckdb.CatalogException as error:
        raise TerminalError(
            f"{path}: a table is missing, run `dbt build` before reconciling: {error}"
        ) from error
    finally:
        connection.close()
