{#-
  dbt sends a COMMENT for each described column of each table in every run: hundreds of statements that
  change nothing. Here only those are sent that differ from the comments that the table has.
-#}
{% macro redshift__persist_docs(relation, model, for_relation, for_columns) %}
    {% set told = {} %}
    {% for row in run_query(_comments_sql(relation)).rows %}{% do told.update({row[0]: row[1]}) %}{% endfor %}
    {% set new_columns = {} %}
    {% for name, column in model.columns.items() if column.description and told.get(name | lower) != column.description %}
        {% do new_columns.update({name: column}) %}
    {% endfor %}
    {% do dbt.redshift__persist_docs(
        relation,
        {'description': model.description if told.get('') != model.description else '', 'columns': new_columns},
        for_relation,
        for_columns
    ) %}
{% endmacro %}

{#- SQL: name and comment of each commented column; the name is empty for the relation itself. -#}
{% macro _comments_sql(relation) %}
    select
        coalesce(columns.attname, '') as column_name,
        comments.description
    from pg_catalog.pg_description as comments
    inner join pg_catalog.pg_class as relations
        on comments.objoid = relations.oid
    inner join pg_catalog.pg_namespace as schemas
        on relations.relnamespace = schemas.oid
    left join pg_catalog.pg_attribute as columns
        on
            comments.objoid = columns.attrelid
            and comments.objsubid = columns.attnum
            and comments.objsubid > 0
    where
        schemas.nspname = '{{ relation.schema }}'
        and relations.relname = '{{ relation.identifier }}'
{% endmacro %}
