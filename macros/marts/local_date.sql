{% macro local_date(timestamp_column, time_zone_column) %}
    {{- return(adapter.dispatch('local_date')(timestamp_column, time_zone_column)) -}}
{% endmacro %}

{% macro duckdb__local_date(timestamp_column, time_zone_column) -%}
    cast(timezone({{ time_zone_column }}, timezone('UTC', {{ timestamp_column }})) as date)
{%- endmacro %}

{% macro redshift__local_date(timestamp_column, time_zone_column) -%}
    cast(convert_timezone('UTC', {{ time_zone_column }}, {{ timestamp_column }}) as date)
{%- endmacro %}
