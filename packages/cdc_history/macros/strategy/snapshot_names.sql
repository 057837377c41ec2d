{#-
  The names that a history's snapshot gives to the columns of dbt's own, and `open_end`: SQL of the end of a
  version that is still valid, none for null. What is no snapshot of this project has dbt's names.
-#}
{% macro _snapshot_names(relation) %}
    {% set columns = dict(get_snapshot_table_column_names(), open_end=none) %}
    {% for node in graph.get('nodes', {}).values()
        if node.resource_type == 'snapshot' and node.relation_name == relation | string %}
        {% for name, own in (node.config.snapshot_meta_column_names or {}).items() if own %}
            {% do columns.update({name: own}) %}
        {% endfor %}
        {% do columns.update({'open_end': node.config.dbt_valid_to_current}) %}
    {% endfor %}
    {% do return(columns) %}
{% endmacro %}
