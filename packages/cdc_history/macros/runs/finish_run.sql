{% macro finish_run(results) %}
    {% if execute and cdc_history.invocation_writes() %}
        {% set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error']) | list %}
        {{ cdc_history.end_run_sql('failed' if failed else 'succeeded') }}
    {% endif %}
{% endmacro %}
