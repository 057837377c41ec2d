{% macro row_hash(columns, prefix='', relation='') -%}
    {%- set parts = ["''"] -%}
    {%- for column in columns -%}
        {%- set value = (relation ~ '.' if relation else '') ~ adapter.quote(prefix ~ column['name']) -%}
        {%- do parts.append(
            "coalesce('|" ~ column['name'] ~ "=' || " ~ cdc_history.canonical_text(value, column['data_type']) ~ ", '')"
        ) -%}
    {%- endfor -%}
    md5({{ cdc_history.concatenated(parts) }})
{%- endmacro %}
