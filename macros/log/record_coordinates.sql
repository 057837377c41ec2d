{#- SQL: a record's coordinates in its topic as one text, by which `lakehouse accept record` names it. -#}
{% macro record_coordinates(relation) -%}
    cast({{ relation }}._cdc_incarnation as varchar(20)) || '/' || cast({{ relation }}.kafka_partition as varchar(20))
    || '/' || cast({{ relation }}.kafka_offset as varchar(20))
{%- endmacro %}
