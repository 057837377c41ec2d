{#- Redshift: a copy on every node, since every fact joins it. -#}
{{ config(
    incremental_strategy='merge',
    unique_key='store_id',
    dist='all',
    sort='store_id'
) }}

{%- set touched %}
        select changed.store_id
        from {{ ref('stg_retail__stores') }} as changed
        where changed._cdc_run > {{ cdc_history.consumed_run() }}
{%- endset %}

with

{{ last_changes(
    'stores', ref('stg_retail__stores'), 'changes.store_id', touched if is_incremental() else none
) }},

final as (
    select
        -- keys
        stores.store_id,
        -- attributes
        stores.name as store_name,
        stores.city,
        stores.country_code,
        stores.currency_code,
        stores.time_zone,
        {{ calendar_time_zone('stores.time_zone') }} as calendar_time_zone,
        stores._cdc_op = 'd' as is_deleted,
        -- timestamps
        stores.opened_on as opened_date,
        stores.closed_on as closed_date,
        stores.updated_at,
        -- lineage
        stores._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
        ], relation='stores') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from stores
)

{{ only_what_differs('final', ['store_id']) }}
