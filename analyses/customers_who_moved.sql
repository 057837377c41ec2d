-- Who moved to another city, when, and how many orders did they place before and since? Follows
-- the default address through the versions of a customer.
with

versions as (
    select
        customers.customer_id,
        customers.valid_from,
        customers.city,
        lag(customers.city) over (
            partition by customers.customer_id order by customers.valid_from
        ) as previous_city
    from {{ ref('dim_customer') }} as customers
    where customers.member_kind = 'member'
),

moves as (
    select
        versions.customer_id,
        versions.previous_city,
        versions.city,
        versions.valid_from as moved_at
    from versions
    where versions.city <> versions.previous_city
)

select
    moves.customer_id,
    moves.previous_city,
    moves.city,
    moves.moved_at,
    sum(case when orders.placed_at < moves.moved_at then 1 else 0 end) as orders_before,
    sum(case when orders.placed_at >= moves.moved_at then 1 else 0 end) as orders_since
from moves
left join {{ ref('fct_orders') }} as orders
    on moves.customer_id = orders.customer_id and not orders.is_deleted
group by moves.customer_id, moves.previous_city, moves.city, moves.moved_at
order by moves.moved_at desc, moves.customer_id asc
