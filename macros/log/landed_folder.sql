{#- SQL's place of what `ingestion/landing/layout.py` says in Python. -#}
{% macro landed_folder(table, incarnation='*', landing_date='*', kafka_partition='*') %}
    {% do return(
        table ~ '/incarnation=' ~ incarnation ~ '/landing_date=' ~ landing_date
        ~ '/topic_partition=' ~ kafka_partition ~ '/'
    ) %}
{% endmacro %}
