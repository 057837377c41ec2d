-- Which good customers have not ordered for 90 days (of the data) and may be written to? Deleted
-- and erased customers have no address and are not in the list.
with

last_order as (
    select max(customer_values.last_order_at) as last_order_at
    from {{ ref('agg_customer_value') }} as customer_values
)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    customers.email,
    customers.tier,
    customer_values.currency_code,
    customer_values.order_count,
    customer_values.average_order_amount,
    customer_values.paid_amount - customer_values.refunded_amount as kept_amount,
    customer_values.last_order_at
from {{ ref('agg_customer_value') }} as customer_values
inner join {{ ref('dim_customer_current') }} as customers
    on customer_values.customer_id = customers.customer_id
cross join last_order
where
    customers.has_marketing_consent
    and not customers.is_deleted
    and customers.erased_at is null
    and customers.email is not null
    and customer_values.order_count >= 2
    and customer_values.last_order_at < {{ dbt.dateadd('day', -90, 'last_order.last_order_at') }}
order by kept_amount desc, customers.customer_id asc
