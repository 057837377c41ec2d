{#-
  dbt empties a seed in every build (on Redshift by TRUNCATE, which commits) and loads it again. Here a seed
  that holds the rows of its file stays as it is; the rows of another one are replaced in one transaction.
-#}
{% macro default__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {% if full_refresh %}
        {#- by a statement: dbt-redshift's drop_relation commits what came before it, and itself -#}
        {% call statement('dropped') %}drop table {{ old_relation.render() }}{% endcall %}
        {% do return(create_csv_table(model, agate_table)) %}
    {% endif %}
    {% do return('') %}
{% endmacro %}

{% macro default__load_csv_rows(model, agate_table) %}
    {% set columns = get_seed_column_quoted_csv(model, agate_table.column_names) %}
    {#- It begins the transaction that dbt commits, whether rows are written or not. -#}
    {% call statement('held', fetch_result=True, auto_begin=True) %}
        select {{ columns }} from {{ this.render() }}
    {% endcall %}
    {% set rows = adapter.dispatch('loadable_rows')(model, agate_table.rows | list) %}
    {% if _texts(load_result('held').table.rows) == _texts(rows) %}
        {% do return('') %}
    {% endif %}
    {% set insert %}
        insert into {{ this.render() }} ({{ columns }}) values
        {% for row in rows %}
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

{#-
  Of the seed time_zones Redshift loads the zones that it knows, which no page lists and which are fewer than
  IANA's: a name that it does not know would stop the run inside its conversion. Stores there have UTC, and
  the data test dim_store_known_time_zones tells of them.
-#}
{% macro default__loadable_rows(model, rows) %}{% do return(rows) %}{% endmacro %}
{% macro redshift__loadable_rows(model, rows) %}
    {% if model.name != 'time_zones' %}{% do return(rows) %}{% endif %}
    {#- each row is a name, or a record of PostgreSQL's that begins with it -#}
    {% set known, loadable, unknown = {}, [], [] %}
    {% for row in run_query('select pg_timezone_names()').rows %}
        {% do known.update({(row[0] | string).strip('()').split(',')[0].strip('"'): true}) %}
    {% endfor %}
    {% for row in rows %}
        {% do (loadable if row['time_zone'] in known or 'UTC' not in known else unknown).append(row) %}
    {% endfor %}
    {% if unknown %}
        {% do exceptions.warn("Redshift does not know these time zones; stores in them have days in UTC: "
            ~ unknown | map(attribute='time_zone') | unique | join(', ')) %}
    {% endif %}
    {% do return(loadable) %}
{% endmacro %}

{% macro _texts(rows) %}
    {% set texts = [] %}
    {% for row in rows %}
        {% do texts.append(tojson(row.values() | map('string') | list)) %}
    {% endfor %}
    {% do return(texts | sort) %}
{% endmacro %}
