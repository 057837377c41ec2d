{#-
  A data test is a consumer too: what it looked at when it passed, `finish_run` keeps. So whatever came
  since then is looked at, over runs that failed, died or left the test out; what the newest run wrote
  always is, also by a `dbt test` after it.
-#}
{% macro in_audit(run_column='_cdc_run') -%}
    {%- set audit = var('audit', 'full') -%}
    {%- if audit not in ['touched', 'full'] -%}
        {%- do exceptions.raise_compiler_error("var audit is '" ~ audit ~ "'; allowed values: touched, full") -%}
    {%- endif -%}
    {%- if audit == 'full' -%}
        1 = 1
    {%- else -%}
        {{ run_column }} > least(
            coalesce(
                (
                    select max(audited.run_number)
                    from {{ cdc_history.operations_relation('watermarks') }} as audited
                    where audited.consumer = '{{ model.unique_id }}'
                ),
                -1
            ),
            (select max(runs.run_number) - 1 from {{ cdc_history.operations_relation('runs') }} as runs)
        )
    {%- endif -%}
{%- endmacro %}
