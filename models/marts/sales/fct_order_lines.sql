{#-
  One row a line for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed and sorted like fct_orders, which each line is joined with.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key=['order_id', 'line_no'],
    on_schema_change='fail',
    dist='order_id',
    sort='placed_date'
) }}

with

{% if is_incremental() %}
touched as (
    select
        changed.order_id,
        changed.line_no
    from {{ ref('int_order_items__valued') }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    -- a line and its order may arrive in different runs
    select
        items.order_id,
        items.line_no
    from {{ ref('int_order_items__valued') }} as items
    where
        items.order_id in (
            select changed.order_id
            from {{ ref('orders_history') }} as changed
            where changed._cdc_run > {{ cdc_history.consumed_run() }}
        )
    union
    {{ touched_by_dimensions(['order_id', 'line_no']) }}
),

written as (
    select
        facts.order_id,
        facts.line_no,
        facts._cdc_row_hash
    from {{ this }} as facts
    where
        (facts.order_id, facts.line_no) in (
            select
                touched.order_id,
                touched.line_no
            from touched
        )
),
{% endif %}

items as (
    select items.*
    from {{ ref('int_order_items__valued') }} as items
    {% if is_incremental() %}
    where
        (items.order_id, items.line_no) in (
            select
                touched.order_id,
                touched.line_no
            from touched
        )
    {% endif %}
),

orders as (
    {{ orders_of_facts('items') }}
),

customers as (
    {{ bindable_customers('orders') }}
),

bound as (
    select
        -- keys
        items.order_id,
        items.line_no,
        {{ bound_customer_key('orders.customer_id', 'customers') }} as customer_key,
        orders.customer_id,
        items.product_id,
        orders.store_id,
        orders.placed_date,
        case
            when items.returned_quantity <> 0 then coalesce(
                {{ local_date('items.returned_at', "coalesce(orders.time_zone, 'UTC')") }},
                orders.placed_date
            )
        end as returned_date,
        -- attributes
        orders.currency_code,
        items.is_deleted or coalesce(orders.is_deleted, false) as is_deleted,
        -- measures
        items.quantity,
        items.returned_quantity,
        items.unit_price,
        items.gross_amount,
        items.discount_amount,
        items.tax_amount,
        items.net_amount,
        items.returned_amount,
        -- timestamps
        orders.placed_at,
        items.returned_at,
        -- lineage
        items._cdc_position,
        items._cdc_op,
        items._cdc_row_hash as _cdc_item_hash,
        orders._cdc_order_hash
    from items
    left join orders
        on items.order_id = orders.order_id
    left join customers
        on {{ binds('orders.customer_id', 'orders.placed_at', 'customers') }}
),

final as (
    select
        -- keys
        bound.order_id,
        bound.line_no,
        bound.customer_key,
        bound.customer_id,
        bound.product_id,
        bound.store_id,
        bound.placed_date,
        bound.returned_date,
        -- attributes
        bound.currency_code,
        bound.is_deleted,
        -- measures
        bound.quantity,
        bound.returned_quantity,
        bound.unit_price,
        bound.gross_amount,
        bound.discount_amount,
        bound.tax_amount,
        bound.net_amount,
        bound.returned_amount,
        -- timestamps
        bound.placed_at,
        bound.returned_at,
        -- lineage
        bound._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_item_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': '_cdc_order_hash', 'data_type': 'varchar'},
            {'name': 'customer_key', 'data_type': 'varchar'},
        ], relation='bound') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from bound
)

select final.*
from final
{% if is_incremental() %}
left join written
    on final.order_id = written.order_id and final.line_no = written.line_no
where {{ cdc_history.differs('final._cdc_row_hash', 'written._cdc_row_hash') }}
{% endif %}
