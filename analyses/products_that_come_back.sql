-- Which products come back most often, with their category as it is called today? At least 20
-- pieces sold, so that one return of one piece does not lead the list.
with

sold as (
    select
        product_returns.product_id,
        sum(product_returns.unit_count) as unit_count,
        sum(product_returns.returned_unit_count) as returned_unit_count
    from {{ ref('agg_product_returns') }} as product_returns
    group by product_returns.product_id
)

select
    products.product_id,
    products.product_name,
    products.category_path,
    sold.unit_count,
    sold.returned_unit_count,
    {{ divide('sold.returned_unit_count', 'sold.unit_count', 9, 4) }} as returned_share
from sold
inner join {{ ref('dim_product') }} as products
    on sold.product_id = products.product_id
where sold.unit_count >= 20 and sold.returned_unit_count > 0
order by returned_share desc, sold.unit_count desc, products.product_id asc
