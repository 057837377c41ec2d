{#- SQL: whole seconds from one time to another, fractions cut off both; negative backwards, null for null. -#}
{% macro seconds_between(from_time, until_time) -%}
    cast({{ dbt.datediff(
        "date_trunc('second', " ~ from_time ~ ")", "date_trunc('second', " ~ until_time ~ ")", 'second'
    ) }} as bigint)
{%- endmacro %}
