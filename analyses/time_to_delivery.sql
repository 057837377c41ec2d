-- How long do customers wait, store by store: hours from order to payment, to shipping, to the
-- door?
with

delivered as (
    select
        orders.store_id,
        count(*) as order_count,
        sum(orders.placed_to_paid_seconds) as placed_to_paid_seconds,
        sum(orders.paid_to_shipped_seconds) as paid_to_shipped_seconds,
        sum(orders.shipped_to_delivered_seconds) as shipped_to_delivered_seconds
    from {{ ref('fct_orders_current') }} as orders
    where
        orders.paid_at is not null
        and orders.shipped_at is not null
        and orders.delivered_at is not null
    group by orders.store_id
)

select
    stores.store_name,
    delivered.order_count,
    {{ divide('delivered.placed_to_paid_seconds', '3600 * delivered.order_count', 18, 1) }}
        as hours_to_payment,
    {{ divide('delivered.paid_to_shipped_seconds', '3600 * delivered.order_count', 18, 1) }}
        as hours_to_shipping,
    {{ divide('delivered.shipped_to_delivered_seconds', '3600 * delivered.order_count', 18, 1) }}
        as hours_on_the_way
from delivered
left join {{ ref('dim_store') }} as stores
    on delivered.store_id = stores.store_id
order by delivered.order_count desc, delivered.store_id asc
