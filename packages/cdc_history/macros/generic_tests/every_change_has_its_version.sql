{% test every_change_has_its_version(model, key, log, sequence_by='_cdc_position') %}
    select changes.*
    from {{ log }} as changes
    left join {{ model }} as versions
        on
            {% for column in key %}changes.{{ column }} = versions.{{ column }} and {% endfor %}
            changes.{{ sequence_by }} = versions.{{ sequence_by }}
            and changes._cdc_op = versions._cdc_op
    where
        coalesce(changes._cdc_op, '') <> 'r'
        and {{ cdc_history.in_audit('changes._cdc_run') }}
        and (versions.{{ sequence_by }} is null or changes._cdc_op not in ('c', 'u', 'd'))
{% endtest %}
