-- Our invariant: what the facts hold of known customers is in their value, and nothing else.
-- Every build compares currency by currency; a full audit customer by customer.
{%- set by_customer = var('audit') == 'full' %}
with

compared as (
    select
        {{ 'orders.customer_id' if by_customer else 'cast(null as bigint)' }} as customer_id,
        orders.currency_code,
        1 as order_count,
        orders.net_amount,
        orders.returned_amount,
        case when orders.cancelled_at is null
            then orders.revenue_amount - orders.returned_revenue_amount else 0
        end as revenue_amount,
        0 as kept_amount
    from {{ ref('fct_orders') }} as orders
    where not orders.is_deleted and orders.customer_id is not null
    union all
    select
        {{ 'payments.customer_id' if by_customer else 'cast(null as bigint)' }} as customer_id,
        payments.currency_code,
        0 as order_count,
        0 as net_amount,
        0 as returned_amount,
        0 as revenue_amount,
        payments.amount as kept_amount
    from {{ ref('fct_payments') }} as payments
    where not payments.is_deleted and payments.customer_id is not null
    union all
    select
        {{ 'customer_values.customer_id' if by_customer else 'cast(null as bigint)' }}
            as customer_id,
        customer_values.currency_code,
        -customer_values.order_count as order_count,
        -customer_values.net_amount as net_amount,
        -customer_values.returned_amount as returned_amount,
        -customer_values.revenue_amount as revenue_amount,
        customer_values.refunded_amount - customer_values.paid_amount as kept_amount
    from {{ ref('agg_customer_value') }} as customer_values
)

select
    compared.customer_id,
    compared.currency_code,
    sum(compared.order_count) as missing_orders,
    sum(compared.net_amount) as missing_net_amount,
    sum(compared.returned_amount) as missing_returned_amount,
    sum(compared.revenue_amount) as missing_revenue_amount,
    sum(compared.kept_amount) as missing_kept_amount
from compared
group by compared.customer_id, compared.currency_code
having
    sum(compared.order_count) <> 0
    or sum(compared.net_amount) <> 0
    or sum(compared.returned_amount) <> 0
    or sum(compared.revenue_amount) <> 0
    or sum(compared.kept_amount) <> 0
