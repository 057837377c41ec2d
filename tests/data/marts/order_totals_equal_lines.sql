-- Our invariant: the totals of an order are those of its lines. (An order that was deleted keeps
-- its totals, while its lines leave every total.)
with

audited as (
    select orders.order_id
    from {{ ref('fct_orders') }} as orders
    where {{ cdc_history.in_audit('orders._cdc_run') }}
    union
    select order_lines.order_id
    from {{ ref('fct_order_lines') }} as order_lines
    where {{ cdc_history.in_audit('order_lines._cdc_run') }}
),

orders as (
    select orders.*
    from {{ ref('fct_orders') }} as orders
    where not orders.is_deleted and orders.order_id in (select audited.order_id from audited)
),

order_lines as (
    select order_lines.*
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.order_id in (select audited.order_id from audited)
),

totals as (
    select
        orders.order_id,
        orders.line_count,
        orders.gross_amount,
        orders.discount_amount,
        orders.tax_amount,
        orders.net_amount,
        orders.returned_amount,
        orders.revenue_amount,
        orders.returned_revenue_amount,
        count(order_lines.line_no) as counted_lines,
        coalesce(sum(order_lines.gross_amount), 0) as summed_gross_amount,
        coalesce(sum(order_lines.net_amount), 0) as summed_net_amount,
        coalesce(sum(order_lines.returned_amount), 0) as summed_returned_amount,
        coalesce(sum(order_lines.returned_revenue_amount), 0) as summed_returned_revenue_amount
    from orders
    left join order_lines
        on orders.order_id = order_lines.order_id
    group by
        orders.order_id,
        orders.line_count,
        orders.gross_amount,
        orders.discount_amount,
        orders.tax_amount,
        orders.net_amount,
        orders.returned_amount,
        orders.revenue_amount,
        orders.returned_revenue_amount
)

select *
from totals
where
    line_count <> counted_lines
    or gross_amount <> summed_gross_amount
    or net_amount <> summed_net_amount
    or returned_amount <> summed_returned_amount
    or returned_revenue_amount <> summed_returned_revenue_amount
    or net_amount <> gross_amount - discount_amount + tax_amount
    or revenue_amount <> gross_amount - discount_amount
