{#-
  SQL: the groups (sales_date, store_id, currency_code) that orders, lines and payments written since
  `this` was last built are in or have ever been in. What a fact was before it was written again is
  known from staging alone, where every accepted change stays: each state of a fact came from some
  change of the order, of the line or payment, and of the store's time zone (UTC until the store is
  known). The product of them may name a group that no fact was ever in; it is computed like the rest.
-#}
{% macro touched_sales_groups() %}
    with

    {{ touched_orders([ref('fct_orders'), ref('fct_order_lines')]) }},

    orders as (
        select
            orders.order_id,
            orders.store_id,
            orders.currency_code,
            orders.placed_at,
            orders.cancelled_at
        from {{ ref('stg_retail__orders') }} as orders
        where orders.order_id in (select touched_orders.order_id from touched_orders)
    ),

    moments as (
        select
            orders.store_id,
            orders.currency_code,
            orders.placed_at as moment_at
        from orders
        union
        select
            orders.store_id,
            orders.currency_code,
            orders.cancelled_at as moment_at
        from orders
        where orders.cancelled_at is not null
        union
        select
            orders.store_id,
            orders.currency_code,
            items.returned_at as moment_at
        from orders
        inner join {{ ref('stg_retail__order_items') }} as items
            on orders.order_id = items.order_id
        where items.returned_at is not null
        union
        select
            orders.store_id,
            payments.currency_code,
            payments.booked_at as moment_at
        from orders
        inner join {{ ref('stg_retail__payments') }} as payments
            on orders.order_id = payments.order_id
    ),

    {{ zones_of_stores('moments') }}

    select
        {{ local_date('moments.moment_at', 'zones.time_zone') }} as sales_date,
        moments.store_id,
        moments.currency_code
    from moments
    inner join zones
        on moments.store_id = zones.store_id
    group by
        {{ local_date('moments.moment_at', 'zones.time_zone') }},
        moments.store_id,
        moments.currency_code
{% endmacro %}
