{#-
  SQL: the groups (sales_month, store_id, product_id, currency_code) that lines written since `this` was last
  built are in or have ever been in; see touched_sales_groups.
-#}
{% macro touched_returns() %}
    with

    lines as (
        select
            lines.order_id,
            lines.line_no
        from {{ ref('fct_order_lines') }} as lines
        where lines._cdc_run > {{ cdc_history.consumed_run() }}
    ),

    moments as (
        select
            orders.store_id,
            orders.currency_code,
            orders.placed_at as moment_at,
            items.product_id
        from lines
        inner join {{ ref('stg_retail__orders') }} as orders
            on lines.order_id = orders.order_id
        inner join {{ ref('stg_retail__order_items') }} as items
            on lines.order_id = items.order_id and lines.line_no = items.line_no
        group by orders.store_id, orders.currency_code, orders.placed_at, items.product_id
    ),

    {{ zones_of_stores('moments') }}

    select
        cast(date_trunc('month', {{ local_date('moments.moment_at', 'zones.time_zone') }}) as date) as sales_month,
        moments.store_id,
        moments.product_id,
        moments.currency_code
    from moments
    inner join zones
        on moments.store_id = zones.store_id
    group by
        cast(date_trunc('month', {{ local_date('moments.moment_at', 'zones.time_zone') }}) as date),
        moments.store_id,
        moments.product_id,
        moments.currency_code
{% endmacro %}
