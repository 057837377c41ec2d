{#- A table of the schema `operations`, which no model owns and no full refresh touches. -#}
{% macro operations_relation(identifier) %}{{ return(adapter.dispatch('operations_relation', 'cdc_history')(identifier)) }}{% endmacro %}
{% macro default__operations_relation(identifier) %}
    {% do return(api.Relation.create(
        database=target.database,
        schema=generate_schema_name('operations', none) | trim,
        identifier=identifier,
        type='table'
    )) %}
{% endmacro %}
