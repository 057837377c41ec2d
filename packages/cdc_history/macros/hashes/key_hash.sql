{% macro key_hash(parts) -%}
    md5(
        {%- for part in parts %}
        {{ "|| '|' || " if not loop.first }}{{ cdc_history.canonical_text(part['expression'], part['data_type']) }}
        {%- endfor %}
    )
{%- endmacro %}
