-- Which products come back most often, with their category as it is called today? At least 20 pieces sold,
-- so that one return of one piece does not lead the list.
with

sold as (
    select
        lines.product_id,
        sum(lines.quantity) as unit_count,
        sum(lines.returned_quantity) as returned_unit_count
    from {{ ref('fct_order_lines') }} as lines
    where not lines.is_deleted
    group by lines.product_id
)

select
    products.product_name,
    products.category_path,
    sold.unit_count,
    sold.returned_unit_count,
    {{ divide('sold.returned_unit_count', 'sold.unit_count', 9, 4) }} as returned_share
from sold
inner join {{ ref('dim_product') }} as products
    on sold.product_id = products.product_id
where sold.unit_count >= 20 and sold.returned_unit_count > 0
order by returned_share desc, sold.unit_count desc, products.product_name
limit 50
