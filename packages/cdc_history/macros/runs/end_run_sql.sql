{% macro end_run_sql(status) %}
    update {{ cdc_history.operations_relation('runs') }}
    set finished_at = {{ cdc_history.utc_now() }}, status = '{{ status }}'
    where invocation_id = '{{ invocation_id }}' and status = 'running'
{% endmacro %}
