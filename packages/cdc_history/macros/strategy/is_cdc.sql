{#-
  Whether the snapshot that is being built has this package's strategy, by any name that dbt finds it
  under: the one question of all three overrides, which dbt calls for every snapshot.
-#}
{% macro _is_cdc() %}
    {% do return(config.get('strategy') in ['cdc', 'cdc_history.cdc', project_name ~ '.cdc']) %}
{% endmacro %}
