-- How much did customers spend while they were gold, and how much did those who are gold today
-- spend altogether? The first follows the version that each order points at, the second the
-- newest one.
with

orders as (
    select
        orders.customer_id,
        orders.currency_code,
        orders.net_amount,
        then_valid.tier as tier_then,
        newest.tier as tier_now
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('dim_customer') }} as then_valid
        on orders.customer_key = then_valid.customer_key
    left join {{ ref('dim_customer_current') }} as newest
        on orders.customer_id = newest.customer_id
    where not orders.is_deleted and orders.cancelled_at is null and orders.customer_id is not null
)

select
    coalesce(orders.tier_then, 'not known') as tier,
    orders.currency_code,
    sum(orders.net_amount) as net_amount_by_tier_then,
    sum(
        case when coalesce(orders.tier_now, 'not known') = coalesce(orders.tier_then, 'not known')
            then orders.net_amount else 0
        end
    ) as of_customers_still_in_the_tier
from orders
group by coalesce(orders.tier_then, 'not known'), orders.currency_code
order by orders.currency_code asc, net_amount_by_tier_then desc
