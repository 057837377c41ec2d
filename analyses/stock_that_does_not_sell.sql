-- What lies in stock although none of it was sold in the last 30 days of the data? By store, with
-- the money that is bound in it at purchase price.
with

last_day as (
    select max(movements.moved_date) as moved_date
    from {{ ref('fct_inventory_movements_current') }} as movements
),

stock as (
    select
        movements.store_key,
        movements.product_key,
        sum(movements.quantity) as unit_count,
        sum(
            case
                when movements.reason = 'sale'
                    and movements.moved_date > {{ dbt.dateadd('day', -30, 'last_day.moved_date') }}
                    then 1
                else 0
            end
        ) as recent_sales
    from {{ ref('fct_inventory_movements_current') }} as movements
    cross join last_day
    group by movements.store_key, movements.product_key
)

select
    stores.store_name,
    products.product_id,
    products.product_name,
    products.is_discontinued,
    stock.unit_count,
    products.currency_code,
    cast(stock.unit_count * cast(products.unit_cost as decimal(18, 4)) as decimal(38, 4))
        as bound_amount
from stock
inner join {{ ref('dim_product') }} as products
    on stock.product_key = products.product_key
inner join {{ ref('dim_store') }} as stores
    on stock.store_key = stores.store_key
where stock.unit_count > 0 and stock.recent_sales = 0
order by stock.unit_count desc, stores.store_name asc, products.product_id asc
