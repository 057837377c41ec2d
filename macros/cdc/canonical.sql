{#-
  Hashes that are equal on every engine: taken from text only, spelt in one way per type, with the
  separators escaped and null told apart (floats have no canonical text and are refused).
-#}

{#- SQL: `expression` of a data type as canonical text, null for null. -#}
{% macro canonical_text(expression, data_type) -%}
    {%- set type = data_type | lower -%}
    {%- if type.startswith(('varchar', 'character varying', 'text', 'char')) -%}
        replace(replace({{ expression }}, '~', '~0'), '|', '~1')
    {%- elif type.startswith(('smallint', 'integer', 'bigint', 'int', 'decimal', 'numeric')) -%}
        cast({{ expression }} as varchar(64))
    {%- elif type.startswith('bool') -%}
        case when {{ expression }} then 'true' when not {{ expression }} then 'false' end
    {%- elif type.startswith('date') and 'time' not in type -%}
        cast({{ expression }} as varchar(10))
    {%- elif type.startswith('timestamp') and 'zone' not in type.replace('without time zone', '') -%}
        {{ canonical_timestamp(expression) }}
    {%- else -%}
        {%- do exceptions.raise_compiler_error(
            "no canonical text for data type '" ~ data_type ~ "'; allowed: varchar, smallint, integer,"
            ~ " bigint, decimal, boolean, date, timestamp (without time zone)") -%}
    {%- endif -%}
{%- endmacro %}

{% macro canonical_timestamp(expression) %}{{ return(adapter.dispatch('canonical_timestamp')(expression)) }}{% endmacro %}
{% macro duckdb__canonical_timestamp(expression) -%}
    strftime({{ expression }}, '%Y-%m-%d %H:%M:%S.%f')
{%- endmacro %}
{% macro redshift__canonical_timestamp(expression) -%}
    to_char({{ expression }}, 'YYYY-MM-DD HH24:MI:SS.US')
{%- endmacro %}

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
            || {{ canonical_text((relation ~ '.' if relation else '') ~ prefix ~ column['name'], column['data_type']) }},
            ''
        )
        {%- endfor %}
    )
{%- endmacro %}

{#- SQL: hash of the parts of a key, none of them null. `parts` is a list of dicts: expression, data_type. -#}
{% macro key_hash(parts) -%}
    md5(
        {%- for part in parts %}
        {{ "|| '|' || " if not loop.first }}{{ canonical_text(part['expression'], part['data_type']) }}
        {%- endfor %}
    )
{%- endmacro %}
