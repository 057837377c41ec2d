{#- Our invariant I5: every committed change that the log accepted is a version of the history. -#}
{% test every_change_has_its_version(model, key, log) %}
    select
        {% for column in key %}changes.{{ column }}, {% endfor %}
        changes._cdc_position,
        changes._cdc_op,
        changes.kafka_topic,
        changes.kafka_partition,
        changes.kafka_offset
    from {{ log }} as changes
    left join {{ model }} as versions
        on
            {% for column in key %}changes.{{ column }} = versions.{{ column }} and {% endfor %}
            changes._cdc_position = versions._cdc_position
            and changes._cdc_op = versions._cdc_op
    where
        changes._cdc_op <> 'r'
        and {{ cdc_history.in_audit('changes._cdc_run') }}
        and versions._cdc_position is null
{% endtest %}
