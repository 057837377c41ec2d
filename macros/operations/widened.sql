{#-
  A column whose declared type became wider (integer to bigint, more digits before the point) holds the
  same values and hashes, so nothing has to be read again: the log's and the history's tables are copied
  inside the warehouse. Redshift can alter no type but that of a varchar, and drop no column that a table
  is distributed or sorted by, as dbt does to make a varchar longer: one that is a key is copied there too.
-#}

{#- Whether each value of type `old` is one of type `new`, and the types differ. Dicts as declared_columns has. -#}
{% macro is_widened(old, new) %}
    {% set numbers = ['smallint', 'integer', 'bigint'] %}
    {% if old.get('name') in numbers and new['name'] in numbers %}
        {% do return(numbers.index(new['name']) > numbers.index(old['name'])) %}
    {% endif %}
    {% if old.get('name') == 'varchar' and new['name'] == 'varchar' %}
        {% do return(target.type == 'redshift' and new['is_key'] and new['length'] > old['length']) %}
    {% endif %}
    {% do return(
        old.get('name') == 'decimal' and new['name'] == 'decimal' and new['scale'] == old['scale']
        and new['precision'] > old['precision']) %}
{% endmacro %}

{#- Copies log and history of a table with the declared types; all of it in one transaction, or nothing. -#}
{% macro widen(table, columns) %}
    {% set types = {} %}
    {% for column in columns %}
        {#- on Redshift a length in bytes: a cast cuts what is longer without a word -#}
        {% set type = sql_type(column['type']) %}
        {% for prefix in ['', '_before_', '_folded_'] %}{% do types.update({prefix ~ column['name']: type}) %}{% endfor %}
    {% endfor %}
    {% set copies = [] %}
    {% for name in ['model.' ~ project_name ~ '.' ~ table ~ '__log', 'snapshot.' ~ project_name ~ '.' ~ table ~ '_history']
        if name in graph.nodes %}
        {% set node = graph.nodes[name] %}
        {% set relation = adapter.get_relation(node.database, node.schema, node.alias) %}
        {% if relation %}{% do copies.append(_copied_with_types(relation, node.config, types)) %}{% endif %}
    {% endfor %}
    {#- reading the columns has begun a transaction of dbt's own -#}
    {% do adapter.commit() %}
    {% do run_query('begin;' ~ copies | join ~ save_declaration_sql(table) ~ '; commit;') %}
    {% do log(table ~ ": copied with the wider types that are declared now", info=true) %}
{% endmacro %}

{% macro _copied_with_types(relation, config, types) %}
    {% set copy = relation.incorporate(path={'identifier': relation.identifier ~ '__widened'}) %}
        create table {{ copy }} {{ laid_out(config) }} as
        select
            {%- for column in adapter.get_columns_in_relation(relation) %}
            {% if column.name in types %}cast({{ column.name }} as {{ types[column.name] }}) as {% endif -%}
            {{ column.name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ relation }};
        drop table {{ relation }};
        alter table {{ copy }} rename to {{ relation.identifier }};
{% endmacro %}
