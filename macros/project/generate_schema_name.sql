{#-
  Schemas are called exactly staging, history, marts and operations, so that people and tools find
  them under the same name in every environment. Only in `dev`, where engineers share a warehouse,
  each engineer's own prefix (the profile's schema) comes first.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set name = custom_schema_name or target.schema -%}
    {{- target.schema ~ '_' ~ name if target.name == 'dev' and custom_schema_name else name -}}
{%- endmacro %}
