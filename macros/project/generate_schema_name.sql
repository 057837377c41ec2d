{#-
  Schemas are called exactly staging, history, marts and operations, so that people and tools find
  them under the same name in every environment. Only in `dev`, where engineers share a warehouse,
  each engineer's own prefix (the profile's schema) comes first. With `--vars '{side: x}'` everything
  is built beside the live schemas, as x_staging, x_history, ...: see `lakehouse rebuild`.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{- target.schema if target.type == 'spark' else generate_layer_name(custom_schema_name) -}}
{%- endmacro %}

{#- What is a schema here, and on the lake leads the names of its one database. -#}
{% macro generate_layer_name(custom_schema_name) -%}
    {{- live_schema_name(custom_schema_name) if not var('side', none)
        else var('side') ~ '_' ~ live_schema_name(custom_schema_name) -}}
{%- endmacro %}

{% macro live_schema_name(custom_schema_name) -%}
    {%- set name = custom_schema_name or target.schema -%}
    {{- target.schema ~ '_' ~ name if target.name == 'dev' and custom_schema_name else name -}}
{%- endmacro %}
