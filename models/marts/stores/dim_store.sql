{#- Redshift: a copy on every node, since every fact joins it. -#}
{{ config(
    incremental_strategy='merge',
    unique_key='store_key',
    dist='all',
    sort='store_id'
) }}

{%- set touched %}
        select changed.store_id
        from {{ ref('stg_retail__stores') }} as changed
        where changed._cdc_run > {{ cdc_history.consumed_run() }}
        {%- if is_incremental() %}
        union
        -- a name that came to the list of time zones reaches its stores without an event of theirs
        select written.store_id
        from {{ this }} as written
        left join {{ ref('time_zones') }} as zones
            on written.time_zone = zones.name
        where written.calendar_time_zone <> coalesce(zones.time_zone, 'UTC')
        {%- endif %}
{%- endset %}

with

{{ last_changes(
    'stores', 'stores', 'changes.store_id', touched if is_incremental() else none
) }},

-- stores that only facts name so far
named as (
    {{ named_members([
        (ref('stg_retail__orders'), 'changed.store_id'),
        (ref('stg_retail__inventory_movements'), 'changed.store_id'),
    ], 'integer', 'written.store_id') }}
),

zoned as (
    select
        stores.*,
        {{ member_kind('stores.store_id', 'named.id') }} as member_kind,
        coalesce(stores.store_id, named.id) as _store_id,
        coalesce(zones.time_zone, 'UTC') as calendar_time_zone,
        nullif(coalesce(zones.time_zone, 'UTC'), stores.time_zone) as _other_time_zone
    from stores
    full outer join named
        on stores.store_id = named.id
    left join {{ ref('time_zones') }} as zones
        on stores.time_zone = zones.name
),

final as (
    select
        -- keys
        {{ member_key('zoned._store_id', 'integer') }} as store_key,
        zoned._store_id as store_id,
        -- attributes
        zoned.member_kind,
        zoned.name as store_name,
        zoned.city,
        zoned.country_code,
        zoned.currency_code,
        zoned.time_zone,
        zoned.calendar_time_zone,
        coalesce(zoned._cdc_op = 'd', false) as is_deleted,
        -- timestamps
        zoned.opened_on as opened_date,
        zoned.closed_on as closed_date,
        zoned.updated_at,
        -- lineage
        zoned._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': '_other_time_zone', 'data_type': 'varchar'},
        ], relation='zoned') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from zoned
)

{{ only_what_differs('final', ['store_key']) }}
