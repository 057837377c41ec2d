{#-
  One row a line for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed and sorted like fct_orders, which each line is joined with.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key=['order_id', 'line_no'],
    dist='order_id',
    sort='placed_date'
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_facts(
        ['order_id', 'line_no'],
        [ref('int_order_items__valued')],
        of_orders=ref('int_order_items__valued')
    ) }}
),
{% endif %}

items as (
    select
        items.*,
        items._cdc_row_hash as _cdc_item_hash
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

{{ bound_to_orders('items', 'orders.placed_at') }},

final as (
    select
        -- keys
        bound.order_id,
        bound.line_no,
        bound.customer_key,
        bound.customer_id,
        {{ member_key('bound.product_id', 'bigint') }} as product_key,
        bound.product_id,
        {{ member_key('bound.store_id', 'integer') }} as store_key,
        bound.store_id,
        {{ local_date('bound._order_placed_at', 'bound._order_time_zone') }} as placed_date,
        {{ local_date('bound._order_cancelled_at', 'bound._order_time_zone') }} as cancelled_date,
        case
            when bound.returned_quantity <> 0 then {{ local_date(
                'coalesce(bound.returned_at, bound._order_placed_at)', 'bound._order_time_zone'
            ) }}
        end as returned_date,
        -- attributes
        bound._order_currency_code as currency_code,
        bound.is_deleted or bound._order_is_deleted as is_deleted,
        -- measures
        bound.quantity,
        bound.returned_quantity,
        bound.unit_price,
        bound.gross_amount,
        bound.discount_amount,
        bound.tax_amount,
        bound.net_amount,
        bound.revenue_amount,
        bound.returned_amount,
        bound.returned_revenue_amount,
        -- timestamps
        bound._order_placed_at as placed_at,
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

{{ only_what_differs('final', ['order_id', 'line_no']) }}
