{#-
  One row a movement for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed by product_id, which stock is summed by; sorted by day, which it is summed up to.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='movement_id',
    on_schema_change='fail',
    dist='product_id',
    sort='moved_date'
) }}

with

{% if is_incremental() %}
touched as (
    select changed.movement_id
    from {{ ref('stg_retail__inventory_movements') }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    {{ touched_by_dimensions(['movement_id'], customer=false) }}
),

written as (
    select
        facts.movement_id,
        facts._cdc_row_hash
    from {{ this }} as facts
    where facts.movement_id in (select touched.movement_id from touched)
),
{% endif %}

{{ last_changes(
    'movements',
    ref('stg_retail__inventory_movements'),
    'changes.movement_id',
    'select touched.movement_id from touched' if is_incremental() else none
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
        placed.store_id,
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

select final.*
from final
{% if is_incremental() %}
left join written
    on final.movement_id = written.movement_id
where {{ cdc_history.differs('final._cdc_row_hash', 'written._cdc_row_hash') }}
{% endif %}
