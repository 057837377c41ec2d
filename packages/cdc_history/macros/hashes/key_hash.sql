{#- SQL: hash of the parts of a key, none of them null. `parts` is a list of dicts: expression, data_type. -#}
{% macro key_hash(parts) -%}
    md5(
        {%- for part in parts %}
        {{ "|| '|' || " if not loop.first }}{{ cdc_history.canonical_text(part['expression'], part['data_type']) }}
        {%- endfor %}
    )
{%- endmacro %}
