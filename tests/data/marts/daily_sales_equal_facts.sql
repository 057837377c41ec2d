-- Our invariant: what the facts hold is in the daily sales, and nothing else: whatever left a
-- group or was deleted has left the totals too. Every build compares store by store and currency
-- by currency over the whole time (the group that a fact has left is not known any more); a full
-- audit day by day.
{%- set by_day = var('audit') == 'full' %}
with

booked as (
    select
        {{ 'orders.placed_date' if by_day else 'cast(null as date)' }} as booked_date,
        orders.store_id,
        orders.currency_code,
        'sold' as booking,
        1 as booked_count,
        orders.net_amount as amount
    from {{ ref('fct_orders') }} as orders
    where not orders.is_deleted
    union all
    select
        {{ 'orders.cancelled_date' if by_day else 'cast(null as date)' }} as booked_date,
        orders.store_id,
        orders.currency_code,
        'cancelled' as booking,
        1 as booked_count,
        orders.net_amount as amount
    from {{ ref('fct_orders') }} as orders
    where not orders.is_deleted and orders.cancelled_at is not null
    union all
    select
        {{ 'order_lines.returned_date' if by_day else 'cast(null as date)' }} as booked_date,
        order_lines.store_id,
        order_lines.currency_code,
        'returned' as booking,
        order_lines.returned_quantity as booked_count,
        order_lines.returned_amount as amount
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.store_id is not null
        and order_lines.returned_quantity <> 0
    union all
    select
        {{ 'payments.booked_date' if by_day else 'cast(null as date)' }} as booked_date,
        payments.store_id,
        payments.currency_code,
        'kept' as booking,
        0 as booked_count,
        payments.amount
    from {{ ref('fct_payments') }} as payments
    where not payments.is_deleted and payments.store_id is not null
    union all
    -- over the whole time in a full audit too: what was not cancelled, less what came back of it
    select
        cast(null as date) as booked_date,
        order_lines.store_id,
        order_lines.currency_code,
        'revenue' as booking,
        0 as booked_count,
        order_lines.revenue_amount - order_lines.returned_revenue_amount as amount
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.store_id is not null
        and order_lines.cancelled_date is null
),

daily_sales as (
    select * from {{ ref('agg_daily_sales') }}
),

compared as (
    select
        booked.booked_date,
        booked.store_id,
        booked.currency_code,
        booked.booking,
        booked.booked_count,
        booked.amount
    from booked
    {%- for booking, booked_count, amount in [
        ('sold', 'order_count', 'net_amount'),
        ('cancelled', 'cancelled_order_count', 'cancelled_amount'),
        ('returned', 'returned_unit_count', 'returned_amount'),
    ] %}
    union all
    select
        {{ 'daily_sales.sales_date' if by_day else 'cast(null as date)' }} as booked_date,
        daily_sales.store_id,
        daily_sales.currency_code,
        '{{ booking }}' as booking,
        -daily_sales.{{ booked_count }} as booked_count,
        -daily_sales.{{ amount }} as amount
    from daily_sales
    {%- endfor %}
    union all
    select
        {{ 'daily_sales.sales_date' if by_day else 'cast(null as date)' }} as booked_date,
        daily_sales.store_id,
        daily_sales.currency_code,
        'kept' as booking,
        0 as booked_count,
        daily_sales.refunded_amount - daily_sales.paid_amount as amount
    from daily_sales
    union all
    select
        cast(null as date) as booked_date,
        daily_sales.store_id,
        daily_sales.currency_code,
        'revenue' as booking,
        0 as booked_count,
        -daily_sales.revenue_amount as amount
    from daily_sales
),

-- not among the bookings: beside decimals of 38 digits DuckDB would leave these two decimals
margins as (
    select
        order_lines.store_id,
        order_lines.currency_code,
        order_lines.margin_amount - order_lines.returned_revenue_amount
        + order_lines.returned_cost_amount as amount
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.store_id is not null
        and order_lines.cancelled_date is null
        and order_lines.unit_cost is not null
    union all
    select
        daily_sales.store_id,
        daily_sales.currency_code,
        daily_sales.cost_amount - daily_sales.costed_revenue_amount as amount
    from daily_sales
)

select
    compared.booked_date,
    compared.store_id,
    compared.currency_code,
    compared.booking,
    sum(compared.booked_count) as missing_count,
    sum(compared.amount) as missing_amount
from compared
group by compared.booked_date, compared.store_id, compared.currency_code, compared.booking
having sum(compared.booked_count) <> 0 or sum(compared.amount) <> 0
union all
select
    cast(null as date) as booked_date,
    margins.store_id,
    margins.currency_code,
    'margin' as booking,
    0 as missing_count,
    sum(margins.amount) as missing_amount
from margins
group by margins.store_id, margins.currency_code
having sum(margins.amount) <> 0
