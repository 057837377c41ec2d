{% macro seconds_between(from_time, until_time) -%}
    cast({{ dbt.datediff(
        "date_trunc('second', " ~ from_time ~ ")", "date_trunc('second', " ~ until_time ~ ")", 'second'
    ) }} as bigint)
{%- endmacro %}
