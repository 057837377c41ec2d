-- Our invariant: what lines and orders hold is in the returns by product and in the customers'
-- months, and nothing else. Every build compares currency by currency; a full audit product by
-- product and customer by customer.
{%- set by_key = var('audit') == 'full' %}
with

compared as (
    select
        'returns' as mart,
        {{ 'order_lines.product_id' if by_key else 'cast(null as bigint)' }} as key_id,
        order_lines.currency_code,
        order_lines.quantity as counted,
        order_lines.returned_quantity as returned,
        order_lines.revenue_amount - order_lines.returned_revenue_amount as amount
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.store_id is not null
        and order_lines.cancelled_date is null
    union all
    select
        'returns' as mart,
        {{ 'product_returns.product_id' if by_key else 'cast(null as bigint)' }} as key_id,
        product_returns.currency_code,
        -product_returns.unit_count as counted,
        -product_returns.returned_unit_count as returned,
        product_returns.returned_revenue_amount - product_returns.revenue_amount as amount
    from {{ ref('agg_product_returns') }} as product_returns
    union all
    select
        'months' as mart,
        {{ 'customer_values.customer_id' if by_key else 'cast(null as bigint)' }} as key_id,
        customer_values.currency_code,
        customer_values.order_count as counted,
        0 as returned,
        customer_values.revenue_amount as amount
    from {{ ref('agg_customer_value') }} as customer_values
    union all
    select
        'months' as mart,
        {{ 'customer_months.customer_id' if by_key else 'cast(null as bigint)' }} as key_id,
        customer_months.currency_code,
        -customer_months.order_count as counted,
        0 as returned,
        -customer_months.revenue_amount as amount
    from {{ ref('agg_customer_months') }} as customer_months
)

select
    compared.mart,
    compared.key_id,
    compared.currency_code,
    sum(compared.counted) as missing_count,
    sum(compared.returned) as missing_returned,
    sum(compared.amount) as missing_amount
from compared
group by compared.mart, compared.key_id, compared.currency_code
having sum(compared.counted) <> 0 or sum(compared.returned) <> 0 or sum(compared.amount) <> 0
