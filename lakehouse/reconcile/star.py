"""What each mart should hold, said over the source's own rows, and the comparison with it.

The queries read a temporary table for each declared table, under its name: the rows that the
source has, and with `is_deleted` the last values of those that it has no longer (see `load_rows`).
They follow docs/metrics.md, not the models. What a query and its mart both have is compared; a test
names for every other column the data test that sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.reconcile.findings import MartReport, explain_rows
from lakehouse.reconcile.scope import SHOWN, differs, key_text, only_row
from lakehouse.reconcile.source import MEASURES

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Mart:
    """A mart: what identifies a row of it, and the rows that it should hold."""

    name: str
    key: tuple[str, ...]
    expected: str
    table: str | None = None
    """The declared table whose rows it holds, one for one."""
    compared: str = "true"
    """SQL condition of the mart's rows that `expected` tells of."""


# Halves of a cent go away from zero, in whole numbers: a quotient would have been rounded already.
_PREPARED = (
    """
    create or replace temp macro key_of(id, otherwise) as
        md5(coalesce(replace(replace(cast(id as varchar), '~', '~0'), '|', '~1'), otherwise))
    """,
    """
    create or replace temp macro local_day(moment, zone) as
        case when moment is not null then least(
            greatest(
                cast(timezone(coalesce(zone, 'UTC'), timezone('UTC', moment)) as date),
                date '0001-01-01'
            ),
            date '9999-12-31'
        ) end
    """,
    """
    create or replace temp macro cents(dividend, divisor) as
        sign(dividend) * sign(divisor) * cast(
            (2 * cast(abs(dividend) * 100 as hugeint) + abs(divisor)) // (2 * abs(divisor))
            as decimal(30, 0)
        ) * cast(0.01 as decimal(2, 2))
    """,
    """
    create or replace temp macro seconds(earlier, later) as
        date_diff('second', date_trunc('second', earlier), date_trunc('second', later))
    """,
    """
    create or replace temp view zones as
    select store_id, calendar_time_zone as zone from marts.dim_store
    """,
    """
    create or replace temp view paths as
    with recursive climbed as (
        select
            category_id, name as category_name, name as top_category_name,
            name as category_path, parent_category_id as above, 1 as level
        from product_categories
        union all
        select
            climbed.category_id, climbed.category_name, upper_one.name,
            upper_one.name || ' > ' || climbed.category_path, upper_one.parent_category_id,
            climbed.level + 1
        from climbed
        inner join product_categories as upper_one on climbed.above = upper_one.category_id
        where climbed.level < 6
    )
    select distinct on (category_id) * from climbed order by category_id, level desc
    """,
    """
    create or replace temp view lines as
    select
        *,
        quantity * unit_price as gross_amount,
        quantity * unit_price - discount_amount + tax_amount as net_amount,
        quantity * unit_price - discount_amount as revenue_amount,
        case
            when quantity = 0 then 0 else cents(net_amount * returned_quantity, quantity)
        end as returned_amount,
        case
            when quantity = 0 then 0 else cents(revenue_amount * returned_quantity, quantity)
        end as returned_revenue_amount
    from order_items
    """,
)
_TOTALS = (
    *("unit_count", "returned_unit_count", "gross_amount", "discount_amount", "tax_amount"),
    *("net_amount", "revenue_amount", "returned_amount", "returned_revenue_amount"),
)
_SUMS = ", ".join(f"coalesce(sum({name}), 0) as {name}" for name in _TOTALS)
_SUMMED = ", ".join(f"coalesce({name}, 0) as {name}" for name in _TOTALS)
_CONVERTED = ", ".join(
    f"round(cast({name} as decimal(20, 2)) * exchange_rate, 2) as {name}"
    for name in MEASURES
    if name.endswith("_amount")
)
# A version is the customer as of its end; histories are compared with the source on their own.
_AS_OF_END = """
    {name}.customer_id = versions.customer_id and not {name}.is_deleted
    and {name}.dbt_valid_from < versions.valid_to
    and coalesce({name}.dbt_valid_to, timestamp '9999-12-31') >= versions.valid_to
"""
_CUSTOMER = """
    customers.* exclude (customer_id, is_deleted),
    customers.marketing_consent as has_marketing_consent, {newest}.created_at as signed_up_at,
    addresses.line_1 as address_line_1, addresses.line_2 as address_line_2, addresses.city,
    addresses.region, addresses.postal_code, addresses.country_code
"""
# A hashed one is not among the source's columns without the salt.
_TYPE_1 = ("phone", "birth_date")
# Rows of which the source has none: the data test `relationships` sees that facts find them.
_MEMBERS = "member_kind = 'member'"

_TABLES = (
    Mart(
        "dim_date",
        ("date_day",),
        """
        select
            cast(day as date) as date_day, year(day) as calendar_year,
            quarter(day) as quarter_of_year, month(day) as month_of_year,
            monthname(day) as month_name, dayofmonth(day) as day_of_month,
            dayofyear(day) as day_of_year, isodow(day) as day_of_week, dayname(day) as day_name,
            isodow(day) >= 6 as is_weekend, isoyear(day) as iso_week_year, week(day) as iso_week,
            date_trunc('week', day) as week_start_date, date_trunc('month', day) as month_start_date
        from generate_series(date '2000-01-01', date '2049-12-31', interval 1 day) as days (day)
        """,
    ),
    Mart(
        "dim_country_date",
        ("country_code", "date_day"),
        """
        select
            country_code, country_name, date_day, holiday_name,
            case when count(holiday_name) over (partition by country_code, year(date_day)) > 0
                then holiday_name is not null
            end as is_holiday,
            year(counted) as fiscal_year, quarter(counted) as fiscal_quarter,
            month(counted) as fiscal_month
        from (
            select
                *, date_trunc('month', date_day)
                + to_months((13 - fiscal_year_first_month) % 12) as counted
            from marts.countries cross join expected_dim_date
        ) as dates
        left join (
            select *, holiday_date as date_day from marts.holidays
        ) using (country_code, date_day)
        """,
    ),
    Mart("dim_currency", ("currency_code",), "from marts.currencies"),
    Mart(
        "dim_store",
        ("store_id",),
        """
        select
            *, key_of(store_id, 'unknown') as store_key, 'member' as member_kind,
            name as store_name, opened_on as opened_date, closed_on as closed_date
        from stores
        """,
        table="stores",
        compared=_MEMBERS,
    ),
    Mart(
        "dim_product",
        ("product_id",),
        """
        select
            products.*, key_of(product_id, 'unknown') as product_key, 'member' as member_kind,
            products.name as product_name, paths.* exclude (category_id)
        from products left join paths using (category_id)
        """,
        table="products",
        compared=_MEMBERS,
    ),
    Mart(
        "dim_promotion",
        ("promotion_key",),
        """
        select distinct on (promotion_key)
            *, name as promotion_name, 'member' as member_kind,
            key_of(lower(rtrim(promotion_code)), '|none') as promotion_key
        from promotions order by promotion_key, is_deleted, updated_at desc
        """,
        table="promotions",
        compared=_MEMBERS,
    ),
    Mart(
        "dim_customer",
        ("customer_key",),
        f"""
        select distinct on (versions.customer_key)
            versions.customer_key, coalesce(customers.customer_id, versions.customer_id)
                as customer_id,
            case
                when versions.customer_id is null then 'unknown'
                when customers.customer_id is null then 'inferred'
                else 'member'
            end as member_kind,
            newest.* exclude (customer_id, created_at), {_CUSTOMER.format(newest="newest")}
        from marts.dim_customer as versions
        left join (
            select columns(lambda name: name not in {_TYPE_1}) from history.customers_history
        ) as customers on {_AS_OF_END.format(name="customers")}
        left join (
            select customer_id, created_at, columns(lambda name: name in {_TYPE_1}) from customers
        ) as newest on customers.customer_id = newest.customer_id
        left join history.customer_addresses_history as addresses
            on {_AS_OF_END.format(name="addresses")} and addresses.is_default
        order by versions.customer_key, addresses.address_no
        """,
    ),
    Mart(
        "dim_customer_current",
        ("customer_id",),
        f"""
        select distinct on (customers.customer_id)
            customers.customer_id, false as is_deleted, 'member' as member_kind,
            {_CUSTOMER.format(newest="customers")}
        from customers
        left join customer_addresses as addresses
            on
                customers.customer_id = addresses.customer_id
                and addresses.is_default and not addresses.is_deleted
        where not customers.is_deleted
        order by customers.customer_id, addresses.address_no
        """,
        compared=f"{_MEMBERS} and not is_deleted",
    ),
    Mart(
        "fct_inventory_movements",
        ("movement_id",),
        """
        select
            movements.*, local_day(moved_at, zone) as moved_date,
            key_of(store_id, 'unknown') as store_key, key_of(product_id, 'unknown') as product_key
        from inventory_movements as movements left join zones using (store_id)
        """,
        table="inventory_movements",
    ),
    Mart(
        "fct_orders",
        ("order_id",),
        f"""
        select
            orders.*, key_of(lower(rtrim(promotion_code)), '|none') as promotion_key,
            key_of(store_id, 'unknown') as store_key,
            local_day(placed_at, zone) as placed_date,
            local_day(cancelled_at, zone) as cancelled_date,
            seconds(placed_at, paid_at) as placed_to_paid_seconds,
            seconds(paid_at, shipped_at) as paid_to_shipped_seconds,
            seconds(shipped_at, delivered_at) as shipped_to_delivered_seconds,
            seconds(placed_at, delivered_at) as placed_to_delivered_seconds,
            totals.* exclude (order_id)
        from orders
        left join zones using (store_id)
        left join (
            select orders.order_id, count(line_no) as line_count, {_SUMS}
            from orders
            left join (
                select
                    order_id, line_no, quantity as unit_count,
                    returned_quantity as returned_unit_count, gross_amount, discount_amount,
                    tax_amount, net_amount, revenue_amount, returned_amount,
                    returned_revenue_amount
                from lines where not is_deleted
            ) using (order_id)
            group by orders.order_id
        ) as totals using (order_id)
        """,
        table="orders",
    ),
    Mart(
        "fct_order_lines",
        ("order_id", "line_no"),
        """
        select
            lines.* exclude (is_deleted), orders.customer_id, orders.store_id, orders.currency_code,
            key_of(store_id, 'unknown') as store_key, key_of(product_id, 'unknown') as product_key,
            orders.placed_at, local_day(orders.placed_at, zone) as placed_date,
            local_day(orders.cancelled_at, zone) as cancelled_date,
            case when returned_quantity <> 0
                then local_day(coalesce(lines.returned_at, orders.placed_at), zone)
            end as returned_date,
            lines.is_deleted or coalesce(orders.is_deleted, false) as is_deleted
        from lines left join orders using (order_id) left join zones using (store_id)
        """,
        table="order_items",
    ),
    Mart(
        "fct_payments",
        ("payment_id",),
        """
        select
            payments.*, kind as payment_kind, method as payment_method, orders.customer_id,
            orders.store_id, key_of(store_id, 'unknown') as store_key,
            local_day(booked_at, zone) as booked_date
        from payments left join orders using (order_id) left join zones using (store_id)
        """,
        table="payments",
    ),
    Mart(
        "agg_daily_sales",
        ("sales_date", "store_id", "currency_code"),
        "select * from daily_sales where store_id is not null",
    ),
    Mart(
        "agg_daily_sales_converted",
        ("sales_date", "store_id", "currency_code"),
        f"""
        select
            sales_date, store_id, currency_code, reporting_currency_code, exchange_rate,
            {_CONVERTED}
        from (
            select
                sales.*,
                case when sales.currency_code = sales.reporting_currency_code then 1
                    else rates.rate
                end as exchange_rate
            from (
                select *, (
                    select mode(reporting_currency_code) from marts.agg_daily_sales_converted
                ) as reporting_currency_code
                from daily_sales where store_id is not null
            ) as sales
            asof left join marts.exchange_rates as rates
                on
                    sales.currency_code = rates.currency_code
                    and sales.reporting_currency_code = rates.reporting_currency_code
                    and sales.sales_date >= rates.valid_from
        )
        """,
    ),
    Mart(
        "agg_product_returns",
        ("sales_month", "store_id", "product_id", "currency_code"),
        """
        select
            date_trunc('month', placed_date) as sales_month, store_id, product_id, currency_code,
            sum(quantity) as unit_count, sum(returned_quantity) as returned_unit_count,
            cents(100 * sum(returned_quantity), sum(quantity)) * 0.01 as returned_unit_rate,
            sum(revenue_amount) as revenue_amount,
            sum(returned_revenue_amount) as returned_revenue_amount
        from expected_fct_order_lines
        where not is_deleted and cancelled_date is null and store_id is not null
        group by all
        """,
    ),
    Mart(
        "agg_customer_months",
        ("customer_id", "sales_month", "currency_code"),
        """
        select
            customer_id, date_trunc('month', placed_date) as sales_month, currency_code,
            date_trunc('month', first_date) as cohort_month,
            date_diff('month', first_date, placed_date) as months_since_first,
            count(*) as order_count, coalesce(
                sum(revenue_amount - returned_revenue_amount) filter (where cancelled_at is null), 0
            ) as revenue_amount
        from (
            select *, min(placed_date) over (partition by customer_id) as first_date
            from expected_fct_orders where not is_deleted and customer_id is not null
        )
        group by all
        """,
    ),
    Mart(
        "agg_customer_cohorts",
        ("cohort_month", "months_since_first", "currency_code"),
        """
        select
            cohort_month, months_since_first, currency_code,
            (
                select count(distinct customer_id) from expected_agg_customer_months as all_of_it
                where all_of_it.cohort_month = months.cohort_month
            ) as customer_count,
            count(distinct customer_id) as active_customer_count,
            sum(order_count) as order_count, sum(revenue_amount) as revenue_amount
        from expected_agg_customer_months as months
        group by cohort_month, months_since_first, currency_code
        """,
    ),
    Mart(
        "agg_daily_stock",
        ("stock_date", "store_id", "product_id"),
        """
        select
            days.store_id, days.product_id, days.moved_date as stock_date,
            coalesce(
                min(others.moved_date) filter (where others.moved_date > days.moved_date),
                date '9999-12-31'
            ) as until_date,
            coalesce(sum(others.quantity) filter (
                where others.moved_date = days.moved_date and others.quantity > 0
            ), 0) as received_quantity,
            -coalesce(sum(others.quantity) filter (
                where others.moved_date = days.moved_date and others.quantity < 0
            ), 0) as issued_quantity,
            sum(others.quantity) filter (where others.moved_date <= days.moved_date)
                as closing_quantity
        from (
            select distinct store_id, product_id, moved_date
            from expected_fct_inventory_movements where not is_deleted
        ) as days
        inner join (from expected_fct_inventory_movements where not is_deleted) as others
            using (store_id, product_id)
        group by all
        """,
    ),
    Mart(
        "agg_customer_value",
        ("customer_id", "currency_code"),
        f"""
        select
            customer_id, currency_code, coalesce(order_count, 0) as order_count,
            coalesce(cancelled_order_count, 0) as cancelled_order_count,
            coalesce(cancelled_amount, 0) as cancelled_amount, {_SUMMED},
            coalesce(paid_amount, 0) as paid_amount,
            coalesce(refunded_amount, 0) as refunded_amount,
            cents(net_amount, order_count) as average_order_amount, first_order_at, last_order_at
        from (
            select
                customer_id, currency_code, count(*) as order_count,
                count(cancelled_at) as cancelled_order_count,
                sum(net_amount) filter (where cancelled_at is not null) as cancelled_amount,
                {_SUMS}, min(placed_at) as first_order_at, max(placed_at) as last_order_at
            from (
                select * replace (
                    case when cancelled_at is null
                        then revenue_amount - returned_revenue_amount else 0
                    end as revenue_amount
                ) from expected_fct_orders where not is_deleted and customer_id is not null
            )
            group by customer_id, currency_code
        )
        full outer join (
            select
                customer_id, currency_code,
                sum(amount) filter (where kind <> 'refund') as paid_amount,
                -sum(amount) filter (where kind = 'refund') as refunded_amount
            from expected_fct_payments where not is_deleted and customer_id is not null
            group by customer_id, currency_code
        ) using (customer_id, currency_code)
        """,
    ),
)

# Where deleted rows stay, a view has the others.
MARTS = (
    *_TABLES,
    *(
        Mart(
            f"{mart.name}_current",
            mart.key,
            f"select * from expected_{mart.name} where not is_deleted",
            compared=mart.compared,
        )
        for mart in _TABLES
        if mart.table
    ),
)


def compare_star(connection: duckdb.DuckDBPyConnection) -> tuple[MartReport, ...]:
    """Compare every mart; the tables of `load_rows` and the relation daily_sales are there."""
    for statement in _PREPARED:
        connection.execute(statement)
    return tuple(compare_mart(connection, mart) for mart in MARTS)


def compared_columns(connection: duckdb.DuckDBPyConnection, mart: Mart) -> tuple[str, ...]:
    """The columns that the mart and what is expected of it both have, but for lineage."""
    expected = _columns(connection, f"expected_{mart.name}")
    held = _columns(connection, f"marts.{mart.name}")
    return tuple(name for name in held if name in expected and not name.startswith("_cdc_"))


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> Sequence[str]:
    return [row[0] for row in connection.execute(f"describe {relation}").fetchall()]


def compare_mart(connection: duckdb.DuckDBPyConnection, mart: Mart) -> MartReport:
    """Compare one mart; those before it in `MARTS` are compared already."""
    connection.execute(f"create or replace temp table expected_{mart.name} as {mart.expected}")
    names, keys = compared_columns(connection, mart), ", ".join(mart.key)
    listed, place = ", ".join(names), [names.index(name) for name in mart.key]
    # A key with two rows meets the source with its first one; the second one is extra.
    body = f"""
        from (select {listed}, 1 as _copy from expected_{mart.name}) as source
        full outer join (
            select {listed}, row_number() over (partition by {keys}) as _copy
            from marts.{mart.name} where {mart.compared}
        ) as warehouse using ({keys}, _copy)
        """
    differing = f"source._copy is null or warehouse._copy is null or {differs(names)}"
    source, warehouse, count = only_row(
        connection,
        f"select count(source._copy), count(warehouse._copy), "
        f"count(*) filter (where {differing}) {body}",
    )
    found = connection.execute(
        "select source._copy is null, warehouse._copy is null, source.*, warehouse.* "
        f"{body} where {differing} order by {keys} limit {SHOWN}"
    ).fetchall()
    differences = []
    for no_source, no_warehouse, *both in found:
        ours = None if no_source else tuple(both[: len(names)])
        theirs = None if no_warehouse else tuple(both[len(names) + 1 : -1])
        held = ours or theirs or ()
        key = key_text(mart.key, [held[at] for at in place])
        differences.append(explain_rows(key, names, ours, theirs))
    return MartReport(mart.name, source, warehouse, count, tuple(differences))
