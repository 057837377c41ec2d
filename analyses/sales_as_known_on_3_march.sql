-- What did the sales of each February day look like when the month was closed, on 3 March 2026,
-- and what do we know now? The histories hold every version with its validity, so any past state
-- can be asked for: take the rows that were valid at the moment. (Stores are as they are today.
-- Before the capture began, a row is as the capture found it.)
{%- set known_at = "cast('2026-03-03 00:00:00' as timestamp)" %}
with

orders_then as (
    select
        orders.order_id,
        orders.store_id,
        orders.currency_code,
        {{ local_date('orders.placed_at', 'stores.calendar_time_zone') }} as placed_date
    from {{ ref('orders_history') }} as orders
    inner join {{ ref('dim_store') }} as stores
        on orders.store_id = stores.store_id
    where
        orders.dbt_valid_from <= {{ known_at }}
        and (orders.dbt_valid_to is null or orders.dbt_valid_to > {{ known_at }})
        and not orders.is_deleted
),

items_then as (
    select
        items.order_id,
        items.line_no,
        cast(items.quantity * cast(items.unit_price as decimal(24, 2)) as decimal(24, 2))
        - items.discount_amount + items.tax_amount as net_amount
    from {{ ref('order_items_history') }} as items
    where
        items.dbt_valid_from <= {{ known_at }}
        and (items.dbt_valid_to is null or items.dbt_valid_to > {{ known_at }})
        and not items.is_deleted
),

known_then as (
    select
        orders_then.placed_date,
        orders_then.store_id,
        orders_then.currency_code,
        count(distinct orders_then.order_id) as order_count,
        sum(items_then.net_amount) as net_amount
    from orders_then
    left join items_then
        on orders_then.order_id = items_then.order_id
    group by orders_then.placed_date, orders_then.store_id, orders_then.currency_code
)

select
    coalesce(known_then.placed_date, sales.sales_date) as sales_date,
    coalesce(known_then.store_id, sales.store_id) as store_id,
    coalesce(known_then.currency_code, sales.currency_code) as currency_code,
    coalesce(known_then.order_count, 0) as order_count_then,
    coalesce(sales.order_count, 0) as order_count_now,
    coalesce(known_then.net_amount, 0) as net_amount_then,
    coalesce(sales.net_amount, 0) as net_amount_now
from known_then
full outer join {{ ref('agg_daily_sales') }} as sales
    on
        known_then.placed_date = sales.sales_date
        and known_then.store_id = sales.store_id
        and known_then.currency_code = sales.currency_code
where
    coalesce(known_then.placed_date, sales.sales_date)
    between cast('2026-02-01' as date) and cast('2026-02-28' as date)
order by
    coalesce(known_then.placed_date, sales.sales_date),
    coalesce(known_then.store_id, sales.store_id),
    coalesce(known_then.currency_code, sales.currency_code)
