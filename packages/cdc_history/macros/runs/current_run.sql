{% macro current_run() -%}
    (
        select this_run.run_number
        from {{ cdc_history.operations_relation('runs') }} as this_run
        where this_run.invocation_id = '{{ invocation_id }}'
    )
{%- endmacro %}
