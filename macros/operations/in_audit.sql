{#-
  SQL condition: the row is looked at by this build's data tests. With `audit: touched`, the default,
  these are the rows that the newest run wrote; with `--vars '{audit: full}'` all of them.
-#}
{% macro in_audit(run_column='_cdc_run') -%}
    {%- set audit = var('audit') -%}
    {%- if audit not in ['touched', 'full'] -%}
        {%- do exceptions.raise_compiler_error("var audit is '" ~ audit ~ "'; allowed values: touched, full") -%}
    {%- endif -%}
    {%- if audit == 'full' -%}
        1 = 1
    {%- else -%}
        {{ run_column }} = (select max(runs.run_number) from {{ operations_relation('runs') }} as runs)
    {%- endif -%}
{%- endmacro %}

{#- SQL: the rows of `relation` of every key that has a row in the audit. -#}
{% macro rows_of_audited_keys(relation, key) -%}
    select whole.*
    from {{ relation }} as whole
    {%- if var('audit') != 'full' %}
    inner join (
        select {{ key | join(', ') }}
        from {{ relation }}
        where {{ in_audit() }}
        group by {{ key | join(', ') }}
    ) as touched
        on {% for column in key %}{{ ' and ' if not loop.first }}whole.{{ column }} = touched.{{ column }}{% endfor %}
    {%- endif %}
{%- endmacro %}
