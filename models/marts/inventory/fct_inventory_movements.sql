{#-
  One row a movement for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed by product_id, which stock is summed by; sorted by day, which it is summed up to.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key='movement_id',
    dist='product_id',
    sort='moved_date'
) }}

{%- set touched -%}
    {{ touched_facts(
        ['movement_id'], [ref('stg_retail__inventory_movements')], customer=false
    ) }}
{%- endset %}

with

{{ last_changes(
    'movements',
    'inventory_movements',
    'changes.movement_id',
    touched if is_incremental() else none
) }},

placed as (
    select
        movements.*,
        coalesce(stores.calendar_time_zone, 'UTC') as time_zone
    from movements
    left join {{ ref('dim_store') }} as stores
        on movements.store_id = stores.store_id
),

final as (
    select
        -- keys
        placed.movement_id,
        {{ member_key('placed.store_id', 'integer') }} as store_key,
        placed.store_id,
        {{ member_key('placed.product_id', 'bigint') }} as product_key,
        placed.product_id,
        placed.order_id,
        {{ local_date('placed.moved_at', 'placed.time_zone') }} as moved_date,
        -- attributes
        placed.reason,
        placed._cdc_op = 'd' as is_deleted,
        -- measures
        placed.quantity,
        -- timestamps
        placed.moved_at,
        -- lineage
        placed._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': 'time_zone', 'data_type': 'varchar'},
        ], relation='placed') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from placed
)

{{ only_what_differs('final', ['movement_id']) }}
