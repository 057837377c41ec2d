{#-
  SQL: the groups (customer_id, currency_code) that orders, lines and payments written since `this` was
  last built are in or have ever been in; see touched_sales_groups. Guests have no group.
-#}
{% macro touched_customer_values() %}
    with

    {{ touched_orders([ref('fct_orders')]) }},

    orders as (
        select
            orders.order_id,
            orders.customer_id,
            orders.currency_code
        from {{ ref('stg_retail__orders') }} as orders
        where
            orders.customer_id is not null
            and orders.order_id in (select touched_orders.order_id from touched_orders)
    )

    select
        orders.customer_id,
        orders.currency_code
    from orders
    union
    select
        orders.customer_id,
        payments.currency_code
    from orders
    inner join {{ ref('stg_retail__payments') }} as payments
        on orders.order_id = payments.order_id
{% endmacro %}
