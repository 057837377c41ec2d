-- What does each promotion cost and bring? However customers typed the code: promotion_key is the
-- same for upper and lower case. Codes that no promotion has are inferred members.
with

promoted as (
    select
        orders.promotion_key,
        orders.currency_code,
        count(*) as order_count,
        sum(orders.gross_amount) as gross_amount,
        sum(orders.discount_amount) as discount_amount
    from {{ ref('fct_orders_current') }} as orders
    group by orders.promotion_key, orders.currency_code
)

select
    coalesce(promotions.promotion_name, 'unknown code ' || promotions.promotion_code)
        as promotion_name,
    promotions.discount_percent,
    promoted.currency_code,
    promoted.order_count,
    promoted.gross_amount,
    promoted.discount_amount,
    {{ divide('100 * promoted.discount_amount', 'promoted.gross_amount', 18, 2) }} as discount_share
from promoted
inner join {{ ref('dim_promotion') }} as promotions
    on promoted.promotion_key = promotions.promotion_key
where promotions.member_kind <> 'none'
order by promoted.currency_code asc, promoted.discount_amount desc, promoted.promotion_key asc
