{#- Both ways of knowing what is new give what docs/semantics.md says, after every build. -#}
{% set columns = 'worked, row_key, tracked, untracked, position, op, valid_from, valid_to' %}
with

expected as (
    select {{ columns }}
    from {{ ref('expected_history') }}
    where after_run = least({{ var('run') }}, (select max(after_run) from {{ ref('expected_history') }}))
),

{% for history, position in [('history_by_run', '_cdc_position'), ('history_without_run', 'position')] %}
{{ history }}_found as (
    select
        worked,
        row_key,
        tracked,
        untracked,
        {{ position }} as position,
        _cdc_op as op,
        dbt_valid_from as valid_from,
        dbt_valid_to as valid_to
    from {{ ref(history) }}
),
{% endfor %}

{% for found in ['history_by_run_found', 'history_without_run_found'] %}
{#- changes of the sixth and the sixteenth are delivered again with other values, which only run numbers tell -#}
{% set compared = '1 = 1' if found == 'history_by_run_found' or flags.FULL_REFRESH else 'worked not in (6, 16)' %}
{{ found }}_differences as (
    (select * from expected where {{ compared }} except select * from {{ found }})
    union all
    (select * from {{ found }} where {{ compared }} except select * from expected)
    union all
    select {{ columns }}
    from {{ found }}
    group by {{ columns }}
    having count(*) > 1
){{ ',' if not loop.last }}
{% endfor %}

select 'by run' as history, * from history_by_run_found_differences
union all
select 'without run' as history, * from history_without_run_found_differences
