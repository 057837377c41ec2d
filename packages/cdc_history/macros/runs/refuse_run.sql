{% macro refuse_run(problem) %}
    {% do run_query("delete from " ~ cdc_history.operations_relation('runs') ~ " where invocation_id = '" ~ invocation_id ~ "'") %}
    {% set release_sql = adapter.dispatch('_release_lock_sql', 'cdc_history')() %}
    {% if release_sql %}{% do run_query(release_sql) %}{% endif %}
    {% do exceptions.raise_compiler_error(problem) %}
{% endmacro %}
