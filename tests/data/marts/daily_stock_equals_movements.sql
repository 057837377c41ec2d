-- Our invariant: the last day of each stock closes with all its movements, and holds for ever.
with

moved as (
    select
        movements.store_id,
        movements.product_id,
        movements.quantity
    from {{ ref('fct_inventory_movements') }} as movements
    where not movements.is_deleted
    union all
    select
        stock.store_id,
        stock.product_id,
        -stock.closing_quantity as quantity
    from {{ ref('agg_daily_stock') }} as stock
    where stock.until_date = cast('9999-12-31' as date)
)

select
    moved.store_id,
    moved.product_id,
    sum(moved.quantity) as missing_quantity
from moved
group by moved.store_id, moved.product_id
having sum(moved.quantity) <> 0
