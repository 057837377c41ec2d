{% macro row_hash(columns, prefix='', relation='') -%}
    md5(
        ''
        {%- for column in columns %}
        || coalesce(
            '|{{ column["name"] }}='
            || {{ cdc_history.canonical_text((relation ~ '.' if relation else '') ~ adapter.quote(prefix ~ column['name']), column['data_type']) }},
            ''
        )
        {%- endfor %}
    )
{%- endmacro %}
