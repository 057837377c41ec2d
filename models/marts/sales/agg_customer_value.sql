{#-
  By customer_id, never by customer_key: binding a fact to another version moves nothing between
  groups. Groups can vanish, so whole groups are replaced: the pre-hook empties the touched ones and the
  query appends what they hold now.
  Redshift: distributed and sorted by the customer, which campaigns look up.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['customer_id', 'currency_code'], touched_customer_values()) }}",
    dist='customer_id',
    sort='customer_id'
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(touched_customer_values()) }}
),
{% endif %}

orders as (
    select
        orders.customer_id,
        orders.currency_code,
        count(*) as order_count,
        sum(case when orders.cancelled_at is not null then 1 else 0 end) as cancelled_order_count,
        sum(orders.unit_count) as unit_count,
        sum(orders.gross_amount) as gross_amount,
        sum(orders.discount_amount) as discount_amount,
        sum(orders.tax_amount) as tax_amount,
        sum(orders.net_amount) as net_amount,
        sum(
            case when orders.cancelled_at is not null then orders.net_amount else 0 end
        ) as cancelled_amount,
        sum(orders.returned_unit_count) as returned_unit_count,
        sum(orders.returned_amount) as returned_amount,
        sum({{ kept_revenue('orders') }}) as revenue_amount,
        min(orders.placed_at) as first_order_at,
        max(orders.placed_at) as last_order_at
    from {{ ref('fct_orders') }} as orders
    where
        not orders.is_deleted
        and orders.customer_id is not null
        {% if is_incremental() %}
        and (orders.customer_id, orders.currency_code) in (
            select
                touched.customer_id,
                touched.currency_code
            from touched
        )
        {% endif %}
    group by orders.customer_id, orders.currency_code
),

payments as (
    select
        payments.customer_id,
        payments.currency_code,
        sum(
            case when payments.payment_kind <> 'refund' then payments.amount else 0 end
        ) as paid_amount,
        sum(
            case when payments.payment_kind = 'refund' then -payments.amount else 0 end
        ) as refunded_amount
    from {{ ref('fct_payments') }} as payments
    where
        not payments.is_deleted
        and payments.customer_id is not null
        {% if is_incremental() %}
        and (payments.customer_id, payments.currency_code) in (
            select
                touched.customer_id,
                touched.currency_code
            from touched
        )
        {% endif %}
    group by payments.customer_id, payments.currency_code
),

final as (
    select
        -- keys
        coalesce(orders.customer_id, payments.customer_id) as customer_id,
        coalesce(orders.currency_code, payments.currency_code) as currency_code,
        -- measures
        cast(coalesce(orders.order_count, 0) as bigint) as order_count,
        cast(coalesce(orders.cancelled_order_count, 0) as bigint) as cancelled_order_count,
        cast(coalesce(orders.unit_count, 0) as bigint) as unit_count,
        cast(coalesce(orders.returned_unit_count, 0) as bigint) as returned_unit_count,
        cast(coalesce(orders.gross_amount, 0) as decimal(38, 2)) as gross_amount,
        cast(coalesce(orders.discount_amount, 0) as decimal(38, 2)) as discount_amount,
        cast(coalesce(orders.tax_amount, 0) as decimal(38, 2)) as tax_amount,
        cast(coalesce(orders.net_amount, 0) as decimal(38, 2)) as net_amount,
        cast(coalesce(orders.cancelled_amount, 0) as decimal(38, 2)) as cancelled_amount,
        cast(coalesce(orders.returned_amount, 0) as decimal(38, 2)) as returned_amount,
        cast(coalesce(orders.revenue_amount, 0) as decimal(38, 2)) as revenue_amount,
        cast(coalesce(payments.paid_amount, 0) as decimal(38, 2)) as paid_amount,
        cast(coalesce(payments.refunded_amount, 0) as decimal(38, 2)) as refunded_amount,
        {{ divide('orders.net_amount', 'orders.order_count', 38, 2) }} as average_order_amount,
        -- timestamps
        orders.first_order_at,
        orders.last_order_at,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from orders
    full outer join payments
        on
            orders.customer_id = payments.customer_id
            and orders.currency_code = payments.currency_code
)

select * from final
