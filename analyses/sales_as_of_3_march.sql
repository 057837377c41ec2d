-- What had each February day sold when the month was closed, on 3 March 2026, and what now? The
-- histories hold every version with its validity, so any past state of the shop can be asked for:
-- take the rows that were valid at the moment. A change counts from its commit, whenever it
-- arrived: what the warehouse had of a table then is rebuilt by `lakehouse rebuild <table>
-- --as-of`. (Stores are as they are today. Before the capture began, a row is as the capture found
-- it.)
{%- set closed_at = "cast('2026-03-03 00:00:00' as timestamp)" %}
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
        orders.dbt_valid_from <= {{ closed_at }}
        and (orders.dbt_valid_to is null or orders.dbt_valid_to > {{ closed_at }})
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
        items.dbt_valid_from <= {{ closed_at }}
        and (items.dbt_valid_to is null or items.dbt_valid_to > {{ closed_at }})
        and not items.is_deleted
),

sold_then as (
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
    coalesce(sold_then.placed_date, sales.sales_date) as sales_date,
    coalesce(sold_then.store_id, sales.store_id) as store_id,
    coalesce(sold_then.currency_code, sales.currency_code) as currency_code,
    coalesce(sold_then.order_count, 0) as order_count_then,
    coalesce(sales.order_count, 0) as order_count_now,
    coalesce(sold_then.net_amount, 0) as net_amount_then,
    coalesce(sales.net_amount, 0) as net_amount_now
from sold_then
full outer join {{ ref('agg_daily_sales') }} as sales
    on
        sold_then.placed_date = sales.sales_date
        and sold_then.store_id = sales.store_id
        and sold_then.currency_code = sales.currency_code
where
    coalesce(sold_then.placed_date, sales.sales_date)
    between cast('2026-02-01' as date) and cast('2026-02-28' as date)
order by
    coalesce(sold_then.placed_date, sales.sales_date),
    coalesce(sold_then.store_id, sales.store_id),
    coalesce(sold_then.currency_code, sales.currency_code)
