{#- One database on the lake, where a table's layer leads its name: of several dbt would document one. -#}

{% macro spark__operations_relation(identifier) %}
    {% do return(api.Relation.create(
        schema=target.schema, identifier=generate_layer_name('operations') ~ '__' ~ identifier, type='table'
    )) %}
{% endmacro %}

{% macro spark__generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- set name = custom_alias_name or node.name -%}
    {{- generate_layer_name(node.config.schema) ~ '__' ~ name if node.config.schema else name -}}
{%- endmacro %}
