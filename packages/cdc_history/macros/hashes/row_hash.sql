{#-
  SQL: hash of named values. `columns` is a list of dicts with name and data_type; `prefix` leads the
  name in the SQL, not in the hash. A null contributes nothing, so a new nullable column leaves the
  hashes of old rows as they are.
-#}
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
