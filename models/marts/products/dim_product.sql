{#-
  One row a product for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: a copy on every node, since each fact of a sale and of a stock movement joins it.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key='product_id',
    dist='all',
    sort='product_id'
) }}

{%- set touched %}
        select changed.product_id
        from {{ ref('stg_retail__products') }} as changed
        where changed._cdc_run > {{ cdc_history.consumed_run() }}
        {%- if is_incremental() %}
        union
        -- a category that was renamed or moved reaches its products without an event of theirs
        select written.product_id
        from {{ this }} as written
        left join {{ ref('int_product_categories__pathed') }} as categories
            on written.category_id = categories.category_id
        where {{ cdc_history.differs('written._cdc_category_hash', 'categories._cdc_category_hash') }}
        {%- endif %}
{%- endset %}

with

{{ last_changes(
    'products', 'products', 'changes.product_id', touched if is_incremental() else none
) }},

categories as (
    select * from {{ ref('int_product_categories__pathed') }}
),

categorised as (
    select
        products.*,
        categories.category_name,
        categories.top_category_name,
        categories.category_path,
        categories._cdc_category_hash
    from products
    left join categories
        on products.category_id = categories.category_id
),

final as (
    select
        -- keys
        categorised.product_id,
        categorised.category_id,
        -- attributes
        categorised.sku,
        categorised.name as product_name,
        categorised.category_name,
        categorised.top_category_name,
        categorised.category_path,
        categorised.brand,
        categorised.currency_code,
        categorised.description,
        categorised.is_discontinued,
        categorised._cdc_op = 'd' as is_deleted,
        -- measures
        categorised.unit_price,
        categorised.unit_cost,
        categorised.weight_kg,
        -- timestamps
        categorised.updated_at,
        -- lineage
        categorised._cdc_position,
        categorised._cdc_category_hash,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': '_cdc_category_hash', 'data_type': 'varchar'},
        ], relation='categorised') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from categorised
)

{{ only_what_differs('final', ['product_id']) }}
