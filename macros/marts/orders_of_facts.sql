{#-
  SQL: the current orders of `facts` (a CTE with order_id), with the store's time zone, the local day
  and a hash of all that lines and payments take from an order. An order that has not arrived yet has
  no row: facts join this with a left join, and are computed again when it arrives.
-#}
{% macro orders_of_facts(facts) %}
    select
        placed.order_id,
        placed.customer_id,
        placed.store_id,
        placed.currency_code,
        placed.placed_at,
        placed.placed_date,
        placed.time_zone,
        placed.is_deleted,
        {{ cdc_history.row_hash([
            {'name': 'customer_id', 'data_type': 'bigint'},
            {'name': 'store_id', 'data_type': 'integer'},
            {'name': 'currency_code', 'data_type': 'varchar'},
            {'name': 'placed_at', 'data_type': 'timestamp'},
            {'name': 'time_zone', 'data_type': 'varchar'},
            {'name': 'is_deleted', 'data_type': 'boolean'},
        ], relation='placed') }} as _cdc_order_hash
    from (
        select
            orders.order_id,
            orders.customer_id,
            orders.store_id,
            orders.currency_code,
            orders.placed_at,
            orders.is_deleted,
            coalesce(stores.calendar_time_zone, 'UTC') as time_zone,
            {{ local_date('orders.placed_at', "coalesce(stores.calendar_time_zone, 'UTC')") }}
                as placed_date
        from {{ ref('orders_history') }} as orders
        left join {{ ref('dim_store') }} as stores
            on orders.store_id = stores.store_id
        where
            orders.dbt_valid_to is null
            {%- if is_incremental() %}
            and orders.order_id in (select {{ facts }}.order_id from {{ facts }})
            {%- endif %}
    ) as placed
{% endmacro %}
