{% macro refuse_run(problem) %}
    {% do run_query("delete from " ~ cdc_history.operations_relation('runs') ~ " where invocation_id = '" ~ invocation_id ~ "'") %}
    {% do exceptions.raise_compiler_error(problem) %}
{% endmacro %}
