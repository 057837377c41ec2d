-- Which products come back most often, with their category as it is called today? At least 20
-- pieces sold, so that one return of one piece does not lead the list.
with

sold as (
    select
        order_lines.product_key,
        sum(order_lines.quantity) as unit_count,
        sum(order_lines.returned_quantity) as returned_unit_count
    from {{ ref('fct_order_lines') }} as order_lines
    where not order_lines.is_deleted
    group by order_lines.product_key
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
    on sold.product_key = products.product_key
where sold.unit_count >= 20 and sold.returned_unit_count > 0
order by returned_share desc, sold.unit_count desc, products.product_id asc
