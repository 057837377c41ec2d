{#- Redshift: a copy on every node; it is small. -#}
{{ config(
    incremental_strategy='merge',
    unique_key='promotion_key',
    dist='all',
    sort='promotion_key'
) }}

{%- set touched %}
        select {{ case_folded('changed.promotion_code') }}
        from {{ ref('stg_retail__promotions') }} as changed
        where changed._cdc_run > {{ cdc_history.consumed_run() }}
{%- endset %}

with

{{ last_changes(
    'promotions',
    'promotions',
    case_folded('changes.promotion_code'),
    touched if is_incremental() else none
) }},

final as (
    select
        -- keys
        {{ case_folded('promotions.promotion_code') }} as promotion_key,
        promotions.promotion_code,
        -- attributes
        promotions.name as promotion_name,
        promotions.discount_percent,
        promotions._cdc_op = 'd' as is_deleted,
        -- timestamps
        promotions.starts_at,
        promotions.ends_at,
        promotions.updated_at,
        -- lineage
        promotions._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
        ], relation='promotions') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from promotions
)

{{ only_what_differs('final', ['promotion_key']) }}
