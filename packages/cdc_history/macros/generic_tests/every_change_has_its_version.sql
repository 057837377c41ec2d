{% test every_change_has_its_version(model, key, log, sequence_by='_cdc_position') %}
    {#- a delete that was concluded counts only where nothing speaks against it -#}
    {% set columns = adapter.get_columns_in_relation(log) | map(attribute='name') | list if execute else [] %}
    with changes as (
        {{ cdc_history.rows_of_audited_keys(log, key, beside=model) }}
    )

    select changes.*
    from changes
    left join {{ model }} as versions
        on
            {% for column in key %}changes.{{ column }} = versions.{{ column }} and {% endfor %}
            changes.{{ sequence_by }} = versions.{{ sequence_by }}
            and changes._cdc_op = versions._cdc_op
    where
        coalesce(changes._cdc_op, '') <> 'r'
        {%- if '_cdc_is_absence' in columns %}
        and not changes._cdc_is_absence
        {%- endif %}
        and (versions.{{ sequence_by }} is null or changes._cdc_op not in ('c', 'u', 'd'))
{% endtest %}
