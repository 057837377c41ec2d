{#-
  CTEs from `heard` to `delivered`: the changes without the absences that are not true. An absence is a delete
  that somebody concluded because a complete snapshot had not read the row; it stands where that snapshot's
  reads do (docs/semantics.md, rule 2b).

  heard      the changes of the keys, each once: the keys, the column that orders them, _cdc_place (its
             place among the changes of the key), _cdc_op, _cdc_is_absence, _cdc_commit_known
  delivered  those of `heard` that count
-#}
{% macro _true_absences(options) %}
{% set keys = options['keys'] %}
{% set by_key = keys | join(', ') %}
absent_keys as (
    select {{ by_key }}
    from heard
    where _cdc_is_absence
    group by {{ by_key }}
),

around_absences as (
    select
        {%- for key in keys %}
        heard.{{ key }},
        {%- endfor %}
        heard.{{ options['sequence'] }} as _cdc_read_at,
        heard._cdc_place,
        heard._cdc_op,
        heard._cdc_is_absence,
        {{ 'heard._cdc_commit_known' if options['floats'] else 'true' }} as _cdc_commit_known,
        lag(heard._cdc_op) over (
            partition by {{ cdc_history._keys_of(keys, 'heard') }}
            order by heard._cdc_place
        ) as _cdc_op_before,
        sum(case when heard._cdc_op = 'r' or heard._cdc_is_absence then 0 else 1 end) over (
            partition by {{ cdc_history._keys_of(keys, 'heard') }}
            order by heard._cdc_place desc rows between unbounded preceding and current row
        ) as _cdc_commits_from_here
    from heard
    inner join absent_keys
        on {{ cdc_history._same_keys(keys, 'heard', 'absent_keys') }}
),

weighed_absences as (
    select
        around_absences.*,
        max(case when _cdc_op = 'r' then 1 else 0 end) over (partition by {{ by_key }}, _cdc_read_at) as _cdc_was_read,
        max(case when _cdc_commit_known then 0 else 1 end) over (
            partition by {{ by_key }} order by _cdc_place rows between unbounded preceding and current row
        ) as _cdc_follows_floating,
        max(case when _cdc_op in ('u', 'd') and not _cdc_is_absence then 1 else 0 end) over (
            partition by {{ by_key }}, _cdc_commits_from_here
        ) as _cdc_was_there_later
    from around_absences
),

delivered as (
    select heard.*
    from heard
    left join weighed_absences
        on
            {{ cdc_history._same_keys(keys, 'heard', 'weighed_absences') }}
            and heard._cdc_place = weighed_absences._cdc_place
            and weighed_absences._cdc_is_absence
    where
        weighed_absences._cdc_place is null
        or (
            weighed_absences._cdc_op_before <> 'd'
            and weighed_absences._cdc_was_read = 0
            and weighed_absences._cdc_follows_floating = 0
            and weighed_absences._cdc_was_there_later = 0
        )
)
{% endmacro %}
