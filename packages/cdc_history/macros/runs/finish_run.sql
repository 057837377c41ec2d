{% macro finish_run(results) %}
    {% if execute and cdc_history.invocation_writes() %}
        {% set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error']) | list %}
        {% if not flags.EMPTY %}{{ cdc_history._save_audits(results) }}{% endif %}
        {{ cdc_history.end_run_sql('failed' if failed else 'succeeded') }}
    {% endif %}
{% endmacro %}

{#-
  Statements: the data tests that passed have looked at everything up to this run. So have those that
  warned, because a source's bad rows may stay for ever.
-#}
{% macro _save_audits(results) %}
    {% set audited = [] %}
    {% for result in results if result.node.resource_type == 'test' and result.status in ['pass', 'warn'] %}
        {% do audited.append(result.node) %}
    {% endfor %}
    {% if audited %}
        delete from {{ cdc_history.operations_relation('watermarks') }}
        where consumer in ('{{ audited | map(attribute='unique_id') | join("', '") }}');
        insert into {{ cdc_history.operations_relation('watermarks') }} (consumer, run_number)
        values
        {%- for test in audited %}
        ('{{ test.unique_id }}', {{ cdc_history.current_run() }}){{ ',' if not loop.last }}
        {%- endfor %};
    {% endif %}
{% endmacro %}
