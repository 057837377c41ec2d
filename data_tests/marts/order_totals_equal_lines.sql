-- Our invariant: the totals of an order are those of its lines. (An order that was deleted keeps its
-- totals, while its lines leave every total.)
with

audited as (
    select orders.order_id
    from {{ ref('fct_orders') }} as orders
    where {{ in_audit('orders._cdc_run') }}
    union
    select lines.order_id
    from {{ ref('fct_order_lines') }} as lines
    where {{ in_audit('lines._cdc_run') }}
),

orders as (
    select orders.*
    from {{ ref('fct_orders') }} as orders
    where not orders.is_deleted and orders.order_id in (select audited.order_id from audited)
),

lines as (
    select lines.*
    from {{ ref('fct_order_lines') }} as lines
    where not lines.is_deleted and lines.order_id in (select audited.order_id from audited)
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
        count(lines.line_no) as counted_lines,
        coalesce(sum(lines.gross_amount), 0) as summed_gross_amount,
        coalesce(sum(lines.net_amount), 0) as summed_net_amount,
        coalesce(sum(lines.returned_amount), 0) as summed_returned_amount
    from orders
    left join lines
        on orders.order_id = lines.order_id
    group by
        orders.order_id,
        orders.line_count,
        orders.gross_amount,
        orders.discount_amount,
        orders.tax_amount,
        orders.net_amount,
        orders.returned_amount
)

select *
from totals
where
    totals.line_count <> totals.counted_lines
    or totals.gross_amount <> totals.summed_gross_amount
    or totals.net_amount <> totals.summed_net_amount
    or totals.returned_amount <> totals.summed_returned_amount
    or totals.net_amount <> totals.gross_amount - totals.discount_amount + totals.tax_amount
