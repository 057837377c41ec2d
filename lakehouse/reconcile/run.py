"""Reconciliation: the tables that people query hold what the shop's audit holds, and nothing else.

What is compared, with no Kafka, Debezium or Parquet on the source's side:

- of each table with history every version, in order: operation, values, commit time to the
  millisecond. Versions are matched from the newest one backwards;
- every dimension, fact and aggregate, row by row: each column that holds a value of the source, a
  count of rows or a total (`lakehouse.reconcile.star`).

What it cannot see:

- versions from before the capture began. The state in which the capture found a row must be right
  (the first version is compared with the audit's row just before the first streamed one); what came
  before that is counted as such. When the capture began is told by the commit time of the earliest
  read of a table: a change committed later has to be there. Clocks of the source and of Debezium
  that differ move this border by their difference;
- changes that bypass triggers (a restored backup, replication roles, disabled triggers);
- columns of marts that are no value of the source: keys of versions and their time, and the time
  zone that days are counted in; which versions dim_customer has. dbt's data tests see them;
- categories that no product is in, and addresses that are nobody's default, but for their history;
- marts, where the source has tenants: they hold the rows of all of them, the source's side is one;
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
from lakehouse.reconcile.findings import HistoryReport, MartReport, Reconciliation
from lakehouse.reconcile.loaded import load_rows, load_source, load_totals
from lakehouse.reconcile.repair import lost_deletes
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.source import open_source
from lakehouse.reconcile.star import compare_star
from lakehouse.reconcile.versions import compare_versions, first_reads

if TYPE_CHECKING:
    import duckdb

OnTable = Callable[[str], None]


def reconcile(
    declarations: Declarations,
    *,
    dsn: str,
    warehouse: Path,
    salt: str = "",
    on_table: OnTable | None = None,
) -> Reconciliation:
    """Compare the warehouse file with the audit in the shop's database.

    Args:
        declarations: the tables; where the source has tenants, as the one has them whose database
            it is.
        dsn: libpq connection string of the shop's database.
        warehouse: the DuckDB file that dbt built; opened read-only.
        salt: of the columns with pii: hash, as the connector has it; empty to leave them out.
        on_table: called with each table's name before it is read.

    Raises:
        TransientError: one of the two does not answer, or the warehouse is being written.
        TerminalError: one of the two is not what it should be.
    """
    with open_source(dsn) as source, open_warehouse(warehouse) as connection:
        tenant, histories = declarations.tenant, list[HistoryReport]()
        scopes = [Scope(table, salt, tenant) for table in declarations.tables if table.primary_key]
        began = first_reads(connection, scopes)
        for scope in scopes:
            if on_table:
                on_table(scope.table.name)
            load_source(connection, scope, source.changes(scope.table))
            load_rows(connection, scope)
            if scope.table.history == "all":
                histories.append(compare_versions(connection, scope, began[scope.table.name]))
        marts: tuple[MartReport, ...] = ()
        if not tenant:
            load_totals(connection, source.totals())
            marts = compare_star(connection)
        return Reconciliation(
            tuple(histories),
            marts,
            tuple(name for scope in scopes for name in scope.skipped),
            tuple(row for scope in scopes for row in lost_deletes(connection, scope)),
        )


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse file at `path`, to read.

    Raises:
        TransientError: it is being written.
        TerminalError: it, or a table of it, is missing.
    """
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
