{#-
  Of the first and the last moments that a timestamp may have, other zones have days that a date has not, or
  that clients get as text: they stay in the years 0001 to 9999. All engines leave nulls out of least().
-#}
{% macro local_date(timestamp_column, time_zone_column) %}
    {%- set day = adapter.dispatch('_day_in')(timestamp_column, time_zone_column) -%}
    case when {{ timestamp_column }} is not null and {{ time_zone_column }} is not null then
        least(greatest({{ day }}, cast('0001-01-01' as date)), cast('9999-12-31' as date))
    end
{%- endmacro %}

{% macro duckdb___day_in(timestamp_column, time_zone_column) -%}
    cast(timezone({{ time_zone_column }}, timezone('UTC', {{ timestamp_column }})) as date)
{%- endmacro %}

{% macro redshift___day_in(timestamp_column, time_zone_column) -%}
    cast(convert_timezone('UTC', {{ time_zone_column }}, {{ timestamp_column }}) as date)
{%- endmacro %}

{% macro spark___day_in(timestamp_column, time_zone_column) %}{{ return(redshift___day_in(timestamp_column, time_zone_column)) }}{% endmacro %}
