{#-
  One row a payment for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed like fct_orders, which each payment is joined with.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='payment_id',
    on_schema_change='fail',
    dist='order_id',
    sort='booked_date'
) }}

with

{% if is_incremental() %}
touched as (
    select changed.payment_id
    from {{ ref('payments_history') }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    -- a payment and its order may arrive in different runs
    select payments.payment_id
    from {{ ref('payments_history') }} as payments
    where
        payments.order_id in (
            select changed.order_id
            from {{ ref('orders_history') }} as changed
            where changed._cdc_run > {{ cdc_history.consumed_run() }}
        )
    union
    {{ touched_by_dimensions(['payment_id']) }}
),

written as (
    select
        facts.payment_id,
        facts._cdc_row_hash
    from {{ this }} as facts
    where facts.payment_id in (select touched.payment_id from touched)
),
{% endif %}

payments as (
    select payments.*
    from {{ ref('payments_history') }} as payments
    where
        payments.dbt_valid_to is null
        {% if is_incremental() %}
        and payments.payment_id in (select touched.payment_id from touched)
        {% endif %}
),

orders as (
    {{ orders_of_facts('payments') }}
),

customers as (
    {{ bindable_customers('orders') }}
),

bound as (
    select
        -- keys
        payments.payment_id,
        payments.order_id,
        {{ bound_customer_key('orders.customer_id', 'customers') }} as customer_key,
        orders.customer_id,
        orders.store_id,
        {{ local_date('payments.booked_at', "coalesce(orders.time_zone, 'UTC')") }} as booked_date,
        -- attributes
        payments.kind as payment_kind,
        payments.method as payment_method,
        payments.currency_code,
        payments.is_deleted,
        -- measures
        payments.amount,
        -- timestamps
        payments.booked_at,
        -- lineage
        payments._cdc_position,
        payments._cdc_op,
        payments._cdc_row_hash as _cdc_payment_hash,
        orders._cdc_order_hash
    from payments
    left join orders
        on payments.order_id = orders.order_id
    left join customers
        on {{ binds('orders.customer_id', 'payments.booked_at', 'customers') }}
),

final as (
    select
        -- keys
        bound.payment_id,
        bound.order_id,
        bound.customer_key,
        bound.customer_id,
        bound.store_id,
        bound.booked_date,
        -- attributes
        bound.payment_kind,
        bound.payment_method,
        bound.currency_code,
        bound.is_deleted,
        -- measures
        bound.amount,
        -- timestamps
        bound.booked_at,
        -- lineage
        bound._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_payment_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': '_cdc_order_hash', 'data_type': 'varchar'},
            {'name': 'customer_key', 'data_type': 'varchar'},
        ], relation='bound') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from bound
)

select final.*
from final
{% if is_incremental() %}
left join written
    on final.payment_id = written.payment_id
where {{ cdc_history.differs('final._cdc_row_hash', 'written._cdc_row_hash') }}
{% endif %}
