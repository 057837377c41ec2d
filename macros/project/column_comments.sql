{#- dbt-spark writes every comment in every build, each in a commit of its own; here those that differ, in one. -#}
{% macro spark__alter_column_comment(relation, column_dict) %}
    {% set held = {} %}
    {% for row in run_query('describe table ' ~ relation).rows %}{% do held.update({row[0]: row[2] or ''}) %}{% endfor %}
    {% set comments = [] %}
    {% for name, column in column_dict.items() if held.get(name, '') != column['description'] %}
        {% do comments.append(adapter.quote(name) ~ ' comment ' ~ cdc_history.text_literal(column['description'])) %}
    {% endfor %}
    {% if comments %}{% do run_query('alter table ' ~ relation ~ ' alter column ' ~ comments | join(', ')) %}{% endif %}
{% endmacro %}
