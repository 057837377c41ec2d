{% macro in_audit(run_column='_cdc_run') -%}
    {%- set audit = var('audit', 'full') -%}
    {%- if audit not in ['touched', 'full'] -%}
        {%- do exceptions.raise_compiler_error("var audit is '" ~ audit ~ "'; allowed values: touched, full") -%}
    {%- endif -%}
    {%- if audit == 'full' -%}
        1 = 1
    {%- else -%}
        {{ run_column }} = (select max(runs.run_number) from {{ cdc_history.operations_relation('runs') }} as runs)
    {%- endif -%}
{%- endmacro %}
