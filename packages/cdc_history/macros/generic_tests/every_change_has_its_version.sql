{% test every_change_has_its_version(model, key, log, sequence_by='_cdc_position') %}
    {#- a delete that was concluded counts only where nothing speaks against it -#}
    {% set columns = cdc_history.ephemeral_columns(log) if execute else [] %}
    {% if columns is none %}{% set columns = adapter.get_columns_in_relation(log) | map(attribute='name') | list %}{% endif %}
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

{#- Names of the columns of an ephemeral relation, of which no adapter knows: a project's own macro does. None of others. -#}
{% macro ephemeral_columns(relation) %}{{ return(adapter.dispatch('ephemeral_columns', 'cdc_history')(relation)) }}{% endmacro %}
{% macro default__ephemeral_columns(relation) %}{% do return(none) %}{% endmacro %}
