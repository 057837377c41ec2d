{#-
  One row a payment for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed like fct_orders, which each payment is joined with.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key='payment_id',
    dist='order_id',
    sort='booked_date'
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_facts(
        ['payment_id'], [ref('payments_history')], of_orders=ref('payments_history')
    ) }}
),
{% endif %}

payments as (
    select
        payments.*,
        payments._cdc_row_hash as _cdc_payment_hash
    from {{ ref('payments_history') }} as payments
    where
        payments.dbt_valid_to is null
        {% if is_incremental() %}
        and payments.payment_id in (select touched.payment_id from touched)
        {% endif %}
),

{{ bound_to_orders('payments', 'payments.booked_at') }},

final as (
    select
        -- keys
        bound.payment_id,
        bound.order_id,
        bound.customer_key,
        bound.customer_id,
        {{ member_key('bound.store_id', 'integer') }} as store_key,
        bound.store_id,
        {{ local_date('bound.booked_at', 'bound._order_time_zone') }} as booked_date,
        -- attributes
        bound.kind as payment_kind,
        bound.method as payment_method,
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

{{ only_what_differs('final', ['payment_id']) }}
