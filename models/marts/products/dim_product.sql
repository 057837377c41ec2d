{#-
  One row a product for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: a copy on every node, since each fact of a sale and of a stock movement joins it.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key='product_key',
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

-- products that only facts name so far
named as (
    {{ named_members([
        (ref('stg_retail__order_items'), 'changed.product_id'),
        (ref('stg_retail__inventory_movements'), 'changed.product_id'),
    ], 'bigint', 'written.product_id') }}
),

categories as (
    select * from {{ ref('int_product_categories__pathed') }}
),

categorised as (
    select
        products.*,
        {{ member_kind('products.product_id', 'named.id') }} as member_kind,
        coalesce(products.product_id, named.id) as _product_id,
        categories.category_name,
        categories.top_category_name,
        categories.category_path,
        categories._cdc_category_hash
    from products
    full outer join named
        on products.product_id = named.id
    left join categories
        on products.category_id = categories.category_id
),

final as (
    select
        -- keys
        {{ member_key('categorised._product_id', 'bigint') }} as product_key,
        categorised._product_id as product_id,
        categorised.category_id,
        -- attributes
        categorised.member_kind,
        categorised.sku,
        categorised.name as product_name,
        categorised.category_name,
        categorised.top_category_name,
        categorised.category_path,
        categorised.brand,
        categorised.currency_code,
        categorised.description,
        categorised.is_discontinued,
        coalesce(categorised._cdc_op = 'd', false) as is_deleted,
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

{{ only_what_differs('final', ['product_key']) }}
