{#-
  dbt empties a seed in every build (on Redshift by TRUNCATE, which commits) and loads it again. Here a seed
  that holds the rows of its file stays as it is; the rows of another one are replaced in one transaction.
-#}
{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% if full_refresh %}
        {% do return(dbt.default__reset_csv_table(model, full_refresh, old_relation, agate_table)) %}
    {% endif %}
    {% do return('') %}
{% endmacro %}

{% macro default__load_csv_rows(model, agate_table) %}
    {% set columns = get_seed_column_quoted_csv(model, agate_table.column_names) %}
    {#- It begins the transaction that dbt commits, whether rows are written or not. -#}
    {% call statement('held', fetch_result=True, auto_begin=True) %}
        select {{ columns }} from {{ this.render() }}
    {% endcall %}
    {% if _texts(load_result('held').table) == _texts(agate_table) %}
        {% do return('') %}
    {% endif %}
    {% set insert %}
        insert into {{ this.render() }} ({{ columns }}) values
        {% for row in agate_table.rows %}
        (
            {%- for value in row.values() -%}
            {{ 'null' if value is none else "'" ~ value | replace("'", "''") ~ "'" }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {% endfor %}
    {% endset %}
    {% do adapter.add_query('delete from ' ~ this.render()) %}
    {% do adapter.add_query(insert, abridge_sql_log=True) %}
    {% do return(insert) %}
{% endmacro %}

{% macro _texts(table) %}
    {% set texts = [] %}
    {% for row in table.rows %}
        {% do texts.append(tojson(row.values() | map('string') | list)) %}
    {% endfor %}
    {% do return(texts | sort) %}
{% endmacro %}
