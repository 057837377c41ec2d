{#- SQL: the stocks (store_id, product_id) in which movements written since `this` was last built are or have ever been. -#}
{% macro touched_stock() %}
    select
        changed.store_id,
        changed.product_id
    from {{ ref('stg_retail__inventory_movements') }} as changed
    where
        changed.movement_id in (
            select movements.movement_id
            from {{ ref('fct_inventory_movements') }} as movements
            where movements._cdc_run > {{ cdc_history.consumed_run() }}
        )
    group by changed.store_id, changed.product_id
{% endmacro %}
