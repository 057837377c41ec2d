{#- SQL: the names, between commas, whose condition holds; null for none. -#}
{% macro names_where(conditions) -%}
    {%- set parts = ["','"] -%}
    {%- for name, condition in conditions.items() -%}
        {%- do parts.append("case when " ~ condition ~ " then " ~ cdc_history.text_literal(name ~ ',') ~ " else '' end") -%}
    {%- endfor -%}
    nullif({{ cdc_history.concatenated(parts) }}, ',')
{%- endmacro %}
