{#-
  Hashes that are equal on every engine: taken from text only, spelt in one way per type, with the
  separators escaped and null told apart (floats have no canonical text and are refused).
-#}

{#- SQL: `expression` of a data type as canonical text, null for null. -#}
{% macro canonical_text(expression, data_type) -%}
    {%- set type = data_type | lower -%}
    {%- if type.startswith(('varchar', 'character varying', 'text', 'char', 'string')) -%}
        replace(replace({{ expression }}, '~', '~0'), '|', '~1')
    {%- elif type.startswith(('smallint', 'integer', 'bigint', 'int', 'decimal', 'numeric')) -%}
        cast({{ expression }} as varchar(64))
    {%- elif type.startswith('bool') -%}
        case when {{ expression }} then 'true' when not {{ expression }} then 'false' end
    {%- elif type.startswith('date') and 'time' not in type -%}
        cast({{ expression }} as varchar(10))
    {%- elif type.startswith('timestamp') and 'zone' not in type.replace('without time zone', '') -%}
        {{ cdc_history._canonical_timestamp(expression) }}
    {%- else -%}
        {%- do exceptions.raise_compiler_error(
            "no canonical text for data type '" ~ data_type ~ "'; allowed: varchar, smallint, integer,"
            ~ " bigint, decimal, boolean, date, timestamp (without time zone)") -%}
    {%- endif -%}
{%- endmacro %}

{% macro _canonical_timestamp(expression) %}{{ return(adapter.dispatch('_canonical_timestamp', 'cdc_history')(expression)) }}{% endmacro %}
{% macro duckdb___canonical_timestamp(expression) -%}
    strftime({{ expression }}, '%Y-%m-%d %H:%M:%S.%f')
{%- endmacro %}
{% macro spark___canonical_timestamp(expression) -%}
    date_format({{ expression }}, 'yyyy-MM-dd HH:mm:ss.SSSSSS')
{%- endmacro %}
{% macro redshift___canonical_timestamp(expression) -%}
    to_char({{ expression }}, 'YYYY-MM-DD HH24:MI:SS.US')
{%- endmacro %}
