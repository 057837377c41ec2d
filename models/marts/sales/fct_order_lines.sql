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
        of_orders=ref('int_order_items__valued'),
        versions={'product_id': ref('products_history')}
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

product_versions as (
    {{ bindable_versions(
        ref('products_history'), 'product_id', ['dbt_scd_id', 'unit_cost', 'currency_code'], 'bound',
        'dbt_valid_from',
        '(versions.dbt_valid_to is null or versions.dbt_valid_from < versions.dbt_valid_to)'
    ) }}
),

costed as (
    select
        bound.*,
        product_versions.dbt_scd_id as product_version_id,
        -- what the shop pays in another currency is no cost of the line
        case
            when product_versions.currency_code = bound._order_currency_code
                then product_versions.unit_cost
        end as unit_cost
    from bound
    left join product_versions
        on {{ binds('bound', 'bound._order_placed_at', 'product_versions', 'product_id') }}
),

priced as (
    select
        costed.*,
        cast(costed.quantity * cast(costed.unit_cost as decimal(24, 4)) as decimal(28, 4))
            as cost_amount,
        cast(
            case when costed.quantity = 0 then 0 else costed.returned_quantity end
            * cast(costed.unit_cost as decimal(24, 4)) as decimal(28, 4)
        ) as returned_cost_amount
    from costed
),

final as (
    select
        -- keys
        priced.order_id,
        priced.line_no,
        priced.customer_key,
        priced.customer_id,
        {{ member_key('priced.product_id', 'bigint') }} as product_key,
        priced.product_id,
        priced.product_version_id,
        {{ member_key('priced.store_id', 'integer') }} as store_key,
        priced.store_id,
        {{ local_date('priced._order_placed_at', 'priced._order_time_zone') }} as placed_date,
        {{ local_date('priced._order_cancelled_at', 'priced._order_time_zone') }} as cancelled_date,
        case
            when priced.returned_quantity <> 0 then {{ local_date(
                'coalesce(priced.returned_at, priced._order_placed_at)', 'priced._order_time_zone'
            ) }}
        end as returned_date,
        -- attributes
        priced._order_currency_code as currency_code,
        priced.is_deleted or priced._order_is_deleted as is_deleted,
        -- measures
        priced.quantity,
        priced.returned_quantity,
        priced.unit_price,
        priced.gross_amount,
        priced.discount_amount,
        priced.tax_amount,
        priced.net_amount,
        priced.revenue_amount,
        priced.returned_amount,
        priced.returned_revenue_amount,
        priced.unit_cost,
        priced.cost_amount,
        priced.returned_cost_amount,
        cast(priced.revenue_amount - priced.cost_amount as decimal(28, 4)) as margin_amount,
        -- timestamps
        priced._order_placed_at as placed_at,
        priced.returned_at,
        -- lineage
        priced._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_item_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': '_cdc_order_hash', 'data_type': 'varchar'},
            {'name': 'customer_key', 'data_type': 'varchar'},
            {'name': 'product_version_id', 'data_type': 'varchar'},
            {'name': 'unit_cost', 'data_type': 'decimal(12,4)'},
        ], relation='priced') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from priced
)

{{ only_what_differs('final', ['order_id', 'line_no']) }}
