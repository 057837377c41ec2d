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

-- codes that only orders name so far
named as (
    {{ named_members(
        [(ref('stg_retail__orders'), case_folded('changed.promotion_code'))],
        'varchar(160)',
        case_folded('written.promotion_code')
    ) }}
),

spelt as (
    select
        promotions.*,
        {{ case_folded('promotions.promotion_code') }} as _folded_code
    from promotions
),

known as (
    select
        spelt.*,
        {{ member_kind('spelt._folded_code', 'named.id', 'none') }} as member_kind,
        coalesce(spelt._folded_code, named.id) as _code
    from spelt
    full outer join named
        on spelt._folded_code = named.id
),

final as (
    select
        -- keys
        {{ member_key('known._code', 'varchar', none_key()) }} as promotion_key,
        coalesce(known.promotion_code, known._code) as promotion_code,
        -- attributes
        known.member_kind,
        known.name as promotion_name,
        known.discount_percent,
        coalesce(known._cdc_op = 'd', false) as is_deleted,
        -- timestamps
        known.starts_at,
        known.ends_at,
        known.updated_at,
        -- lineage
        known._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
        ], relation='known') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from known
)

{{ only_what_differs('final', ['promotion_key']) }}
