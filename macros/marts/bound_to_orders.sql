{#-
  An order that has not arrived yet gives nulls, and its facts are computed again when it arrives.
  `_cdc_order_hash` is of all that facts take from it.
-#}
{% macro bound_to_orders(facts, fact_time) %}
placed_orders as (
    select
        orders.order_id,
        orders.customer_id,
        orders.store_id,
        orders.currency_code,
        orders.placed_at,
        orders.cancelled_at,
        orders.is_deleted,
        coalesce(stores.calendar_time_zone, 'UTC') as time_zone
    from {{ ref('orders_history') }} as orders
    left join {{ ref('dim_store') }} as stores
        on orders.store_id = stores.store_id
    where
        orders.dbt_valid_to is null
        {%- if is_incremental() %}
        and orders.order_id in (select {{ facts }}.order_id from {{ facts }})
        {%- endif %}
),

orders as (
    select
        placed_orders.*,
        {{ cdc_history.row_hash([
            {'name': 'customer_id', 'data_type': 'bigint'},
            {'name': 'store_id', 'data_type': 'integer'},
            {'name': 'currency_code', 'data_type': 'varchar'},
            {'name': 'placed_at', 'data_type': 'timestamp'},
            {'name': 'cancelled_at', 'data_type': 'timestamp'},
            {'name': 'time_zone', 'data_type': 'varchar'},
            {'name': 'is_deleted', 'data_type': 'boolean'},
        ], relation='placed_orders') }} as _cdc_order_hash
    from placed_orders
),

customers as (
    {{ bindable_versions(ref('dim_customer'), 'customer_id', ['customer_key'], 'orders') }}
),

bound as (
    select
        {{ facts }}.*,
        orders.customer_id,
        orders.store_id,
        orders.currency_code as _order_currency_code,
        orders.placed_at as _order_placed_at,
        orders.cancelled_at as _order_cancelled_at,
        coalesce(orders.is_deleted, false) as _order_is_deleted,
        coalesce(orders.time_zone, 'UTC') as _order_time_zone,
        orders._cdc_order_hash,
        {{ bound_customer_key('orders.customer_id', 'customers') }} as customer_key
    from {{ facts }}
    left join orders
        on {{ facts }}.order_id = orders.order_id
    left join customers
        on {{ binds('orders', fact_time, 'customers', 'customer_id') }}
)
{% endmacro %}
