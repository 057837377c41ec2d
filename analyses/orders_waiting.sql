-- Where do orders stand that are still on their way, and how old is the oldest? One row per stage
-- of the accumulating snapshot.
with

staged as (
    select
        case
            when orders.shipped_at is not null then '3 shipped, not delivered'
            when orders.paid_at is not null then '2 paid, not shipped'
            else '1 placed, not paid'
        end as order_stage,
        orders.currency_code,
        orders.net_amount,
        orders.placed_at
    from {{ ref('fct_orders_current') }} as orders
    where
        orders.delivered_at is null
        and orders.cancelled_at is null
        and orders.returned_at is null
)

select
    staged.order_stage,
    staged.currency_code,
    count(*) as order_count,
    sum(staged.net_amount) as net_amount,
    min(staged.placed_at) as oldest_placed_at
from staged
group by staged.order_stage, staged.currency_code
order by staged.order_stage, staged.currency_code
