{% macro end_run_sql(status) %}{{ return(adapter.dispatch('end_run_sql', 'cdc_history')(status)) }}{% endmacro %}

{% macro default__end_run_sql(status) %}
    update {{ cdc_history.operations_relation('runs') }}
    set finished_at = {{ cdc_history.utc_now() }}, status = '{{ status }}'
    where invocation_id = '{{ invocation_id }}' and status = 'running'
{% endmacro %}

{% macro spark__end_run_sql(status) %}
    {{ return(cdc_history._together(
        cdc_history.default__end_run_sql(status) ~ ';' ~ cdc_history.spark___release_lock_sql() ~ ';'
    )) }}
{% endmacro %}
