{% macro last_changes(name, table, key, touched=none) %}
{#- A view limits nothing with --empty, and takes no alias of a limited relation. -#}
{#- A unit test has no graph, so no declarations: there the records' own columns are all. -#}
{% set columns = logged_columns(table) if 'sources' in graph or not execute else [] %}
{%- if columns and columns[0]['source_names'] == [] and 'tenant' not in key %}
    {% do exceptions.raise_compiler_error(
        "last_changes: " ~ table ~ " has tenants, so equal keys are other rows: let the key begin with"
        ~ " changes.tenant, e.g. changes.tenant || '/' || changes.id, not " ~ key) %}
{% endif %}
{% set changes = ref('stg_' ~ var('source') ~ '__' ~ table) %}
{{ cdc_history.last_changes(
    name,
    changes.render() if config.get('materialized') == 'view' else changes,
    key,
    columns,
    touched,
    ['_cdc_is_absence', '_cdc_not_carried', '_cdc_commit' if source_connector() == 'sqlserver' else '_cdc_commit_known']
) }}
{% endmacro %}
