{#-
  SQL: the calendar day of `timestamp_column` (UTC) in `time_zone_column`, a name that
  calendar_time_zone() let through. Null for a null time.
-#}
{% macro local_date(timestamp_column, time_zone_column) %}
    {{- return(adapter.dispatch('local_date')(timestamp_column, time_zone_column)) -}}
{% endmacro %}

{% macro duckdb__local_date(timestamp_column, time_zone_column) -%}
    cast(timezone({{ time_zone_column }}, timezone('UTC', {{ timestamp_column }})) as date)
{%- endmacro %}

{% macro redshift__local_date(timestamp_column, time_zone_column) -%}
    cast(convert_timezone('UTC', {{ time_zone_column }}, {{ timestamp_column }}) as date)
{%- endmacro %}
