{#- dbt-spark's own writes None for null, and breaks at an apostrophe. -#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model.config.column_types %}
    {% set insert %}
        insert into {{ this }} values
        {% for row in agate_table.rows %}
        (
            {%- for name, value in row.items() -%}
            cast({{ 'null' if value is none else cdc_history.text_literal(value | string) }} as {{ types[name] }}){{ ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {% endfor %}
    {% endset %}
    {% do adapter.add_query(insert, abridge_sql_log=True) %}
    {% do return(insert) %}
{% endmacro %}
