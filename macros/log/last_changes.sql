{% macro last_changes(name, table, key, touched=none) %}
{#- A view limits nothing with --empty, and takes no alias of a limited relation. -#}
{% set changes = ref('stg_retail__' ~ table) %}
{{ cdc_history.last_changes(
    name,
    changes.render() if config.get('materialized') == 'view' else changes,
    key,
    declared_columns(table),
    touched,
    ['_cdc_is_absence', '_cdc_not_carried', '_cdc_commit' if source_connector() == 'sqlserver' else '_cdc_commit_known']
) }}
{% endmacro %}
