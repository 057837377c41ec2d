{#- A payment may have been another order's before: staging keeps every accepted change. -#}
{% macro touched_orders(facts) %}
touched_orders as (
    {%- for relation in facts %}
    select facts.order_id
    from {{ relation }} as facts
    where facts._cdc_run > {{ cdc_history.consumed_run() }}
    union
    {%- endfor %}
    select payments.order_id
    from {{ ref('stg_retail__payments') }} as payments
    where
        payments.payment_id in (
            select facts.payment_id
            from {{ ref('fct_payments') }} as facts
            where facts._cdc_run > {{ cdc_history.consumed_run() }}
        )
)
{% endmacro %}
