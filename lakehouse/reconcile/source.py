"""Reads the truth: the audit table that triggers write in the shop's database.

`audit.changes` has a row for each row change: sequence, transaction_id (xid8), table_name,
operation (c, u, d), old_row and new_row (jsonb). Nothing here knows Kafka, Debezium or Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from ingestion.declarations import Table
from ingestion.errors import TerminalError
from lakehouse.source.database import connect_postgresql

if TYPE_CHECKING:
    import pyarrow as pa
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2's own name

_NULL = r"\N"

MEASURES = (
    "order_count",
    "unit_count",
    "gross_amount",
    "discount_amount",
    "tax_amount",
    "net_amount",
    "cancelled_order_count",
    "cancelled_amount",
    "returned_unit_count",
    "returned_amount",
    "paid_amount",
    "refunded_amount",
)
Group = tuple[str, int, str]
"""Sales day (ISO), store, currency."""

# docs/metrics.md, computed by the shop's own database from its own tables: the store's local day,
# refunds and returns on their own day, halves of a cent away from zero (in whole numbers, because a
# quotient of PostgreSQL's has been rounded once already).
_TOTALS = """
with placed as (
    select
        orders.order_id,
        orders.store_id,
        orders.currency_code,
        coalesce(stores.time_zone, 'UTC') as time_zone,
        orders.placed_at,
        orders.cancelled_at
    from public.orders
    left join public.stores on stores.store_id = orders.store_id
),
lines as (
    select
        item.*,
        item.quantity * item.unit_price as gross_amount,
        item.quantity * item.unit_price - item.discount_amount + item.tax_amount as net_amount
    from public.order_items as item
),
valued as (
    select
        placed.*,
        count(lines.line_no) as line_count,
        coalesce(sum(lines.quantity), 0) as unit_count,
        coalesce(sum(lines.gross_amount), 0) as gross_amount,
        coalesce(sum(lines.discount_amount), 0) as discount_amount,
        coalesce(sum(lines.tax_amount), 0) as tax_amount,
        coalesce(sum(lines.net_amount), 0) as net_amount
    from placed
    left join lines on lines.order_id = placed.order_id
    group by
        placed.order_id, placed.store_id, placed.currency_code, placed.time_zone,
        placed.placed_at, placed.cancelled_at
),
bookings as (
    select
        (placed_at at time zone 'UTC' at time zone time_zone)::date as sales_date,
        store_id, currency_code,
        1 as order_count, unit_count, gross_amount, discount_amount, tax_amount, net_amount,
        0 as cancelled_order_count, 0 as cancelled_amount,
        0 as returned_unit_count, 0 as returned_amount, 0 as paid_amount, 0 as refunded_amount
    from valued
    union all
    select
        (cancelled_at at time zone 'UTC' at time zone time_zone)::date,
        store_id, currency_code, 0, 0, 0, 0, 0, 0, 1, net_amount, 0, 0, 0, 0
    from valued
    where cancelled_at is not null
    union all
    select
        (coalesce(lines.returned_at, placed.placed_at)
            at time zone 'UTC' at time zone placed.time_zone)::date,
        placed.store_id, placed.currency_code, 0, 0, 0, 0, 0, 0, 0, 0,
        lines.returned_quantity,
        case
            when lines.quantity = 0 then 0
            else
                sign(lines.net_amount) * sign(lines.returned_quantity::numeric)
                * sign(lines.quantity::numeric)
                * div(
                    200 * abs(lines.net_amount * lines.returned_quantity) + abs(lines.quantity),
                    2 * abs(lines.quantity)
                ) / 100
        end,
        0, 0
    from lines
    inner join placed on placed.order_id = lines.order_id
    where lines.returned_quantity <> 0
    union all
    select
        (payment.booked_at at time zone 'UTC' at time zone placed.time_zone)::date,
        placed.store_id, payment.currency_code, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        case when payment.kind <> 'refund' then payment.amount else 0 end,
        case when payment.kind = 'refund' then -payment.amount else 0 end
    from public.payments as payment
    inner join placed on placed.order_id = payment.order_id
)
select sales_date::text, store_id, currency_code, {measures}
from bookings
group by sales_date, store_id, currency_code
"""


class Source:
    """The shop's database as it was at one moment, in one read-only transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def changes(self, table: Table) -> pa.Table:
        """Every change of `table`, as text columns.

        Columns: _sequence, _part, _operation, _committed_ms (milliseconds since 1970, UTC), then
        the table's landed columns; a primary-key update is d of the old key (part 0) and c of the
        new one (part 1). Values are those after the change, of a delete those before it.
        """
        import pyarrow as pa
        from pyarrow import csv

        names = ["_sequence", "_part", "_operation", "_committed_ms"]
        names += [column.name for column in table.landed_columns]
        with TemporaryFile() as file:
            self._copy(_changes_query(table), file)
            file.seek(0)
            if not file.read(1):
                return pa.table({name: pa.array([], pa.string()) for name in names})
            file.seek(0)
            return csv.read_csv(
                file,
                csv.ReadOptions(column_names=names),
                csv.ParseOptions(newlines_in_values=True),
                csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    null_values=[_NULL],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )

    def totals(self) -> dict[Group, tuple[Decimal, ...]]:
        """The money totals of each sales day, store and currency, in the order of MEASURES."""
        measures = ", ".join(f"sum({name})" for name in MEASURES)
        self._cursor.execute(_TOTALS.format(measures=measures))
        return {
            (day, store_id, currency): tuple(Decimal(value) for value in values)
            for day, store_id, currency, *values in self._cursor.fetchall()
        }

    def _copy(self, query: str, file: IO[bytes]) -> None:
        self._cursor.copy_expert(f"copy ({query}) to stdout (format csv, null '{_NULL}')", file)


@contextmanager
def open_source(dsn: str) -> Iterator[Source]:
    """Connect to the shop's database at `dsn`.

    Raises:
        TransientError: the server does not answer.
        TerminalError: there is no audit in this database.
    """
    connection = connect_postgresql(dsn)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("select to_regclass('audit.changes')")
            row = cursor.fetchone()
            if row is None or row[0] is None:
                raise TerminalError(
                    "the source has no table audit.changes: only a shop whose triggers keep an "
                    "audit can be reconciled (LAKEHOUSE_SOURCE_DSN names another database?)"
                )
            yield Source(cursor)
    finally:
        connection.close()


def _changes_query(table: Table) -> str:
    columns = ", ".join(f"change.image ->> '{column.name}'" for column in table.landed_columns)
    same_key = " and ".join(
        f"audit.old_row -> '{name}' = audit.new_row -> '{name}'" for name in table.primary_key
    )
    return f"""
        select
            audit.sequence,
            change.part,
            change.operation,
            floor(extract(epoch from pg_xact_commit_timestamp(audit.transaction_id::xid)) * 1000)
                ::bigint,
            {columns}
        from audit.changes as audit
        cross join lateral (
            select 0 as part, 'd' as operation, audit.old_row as image
            where audit.operation = 'u' and not ({same_key})
            union all
            select
                1,
                case
                    when audit.operation = 'u' and not ({same_key}) then 'c'
                    else audit.operation
                end,
                coalesce(audit.new_row, audit.old_row)
        ) as change
        where audit.table_name = '{table.name}'"""
