{% macro current_run() %}{{ return(adapter.dispatch('current_run', 'cdc_history')()) }}{% endmacro %}

{% macro default__current_run() -%}
    (
        select this_run.run_number
        from {{ cdc_history.operations_relation('runs') }} as this_run
        where this_run.invocation_id = '{{ invocation_id }}'
    )
{%- endmacro %}

{#- A run that was given up writes no more: another one may be at work. -#}
{% macro redshift__current_run() -%}
    {%- if execute and cdc_history.invocation_writes() -%}
        {%- set run = cdc_history._asked_before('current_run', "select run_number from " ~ cdc_history.operations_relation('runs')
            ~ " where invocation_id = '" ~ invocation_id ~ "' and status = 'running'") -%}
        {%- if run is none -%}
            {%- do exceptions.raise_compiler_error("the run of invocation " ~ invocation_id ~ " was ended or taken over: start the build again") -%}
        {%- endif -%}
        cast({{ run }} as bigint)
    {%- else -%}
        {{ cdc_history.default__current_run() }}
    {%- endif -%}
{%- endmacro %}

{% macro spark__current_run() %}{{ return(cdc_history.redshift__current_run()) }}{% endmacro %}

{#-
  The number that `query` gives, none for no row: asked once for what a node compiles and once for what it
  does. What a transaction of Redshift reads of tables that other nodes write meanwhile is a conflict under
  SERIALIZABLE; so it is asked before (by the first pre-hook, where the node's own query comes after it), and is a
  literal, which tells Redshift which blocks not to read.
-#}
{% macro _asked_before(name, query) %}
    {% set asked = load_result(name) %}
    {% if asked is none %}
        {% call statement(name, fetch_result=true, auto_begin=false) %}{{ query }}{% endcall %}
        {% set asked = load_result(name) %}
    {% endif %}
    {% do store_result(name, response=asked.response, agate_table=asked.table) %}
    {% do return(asked.table.rows[0][0] | int if asked.table.rows else none) %}
{% endmacro %}
