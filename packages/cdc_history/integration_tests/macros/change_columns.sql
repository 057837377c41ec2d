{#- What a relation of changes has of the seed; `named` are those that have another name there. -#}
{% macro change_columns(named={}) %}
    worked_changes.worked,
    worked_changes.row_key,
    worked_changes.tracked,
    worked_changes.untracked,
    case when worked_changes.tracked_before is not null then worked_changes.worked end as _before_worked,
    case when worked_changes.tracked_before is not null then worked_changes.row_key end as _before_row_key,
    worked_changes.tracked_before as _before_tracked,
    worked_changes.untracked_before as _before_untracked,
    worked_changes.op as _cdc_op,
    worked_changes.is_commit_known as _cdc_commit_known,
    worked_changes.is_absence as _cdc_is_absence,
    worked_changes.commit_name as _cdc_commit
    {%- for name in ['position', 'committed_at', 'delivered_at', 'incarnation', 'landed_partition', 'landed_offset'] %},
    worked_changes.{{ name }} as {{ named.get(name, name) }}
    {%- endfor %}
{%- endmacro %}
