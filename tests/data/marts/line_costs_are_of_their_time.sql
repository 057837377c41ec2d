-- Our invariant: a line's cost is that of the product's version that it points at, in its own
-- currency.
select
    order_lines.order_id,
    order_lines.line_no,
    order_lines.unit_cost,
    order_lines.margin_amount,
    versions.unit_cost as known_unit_cost
from {{ ref('fct_order_lines') }} as order_lines
left join {{ ref('products_history') }} as versions
    on
        order_lines.product_version_id = versions.dbt_scd_id
        and order_lines.currency_code = versions.currency_code
where
    {{ cdc_history.in_audit('order_lines._cdc_run') }}
    and (
        {{ cdc_history.differs('order_lines.unit_cost', 'versions.unit_cost') }}
        or {{ cdc_history.differs(
            'order_lines.cost_amount', 'order_lines.quantity * versions.unit_cost') }}
        or {{ cdc_history.differs(
            'order_lines.margin_amount', 'order_lines.revenue_amount - order_lines.cost_amount') }}
        or {{ cdc_history.differs(
            'order_lines.returned_cost_amount',
            'case when order_lines.quantity = 0 then 0 else order_lines.returned_quantity end'
            ~ ' * versions.unit_cost'
        ) }}
    )
