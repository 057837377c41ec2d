{#-
  `dbt clone` makes views on another environment's tables where an engine cannot copy them, as neither
  DuckDB nor Redshift can: a build would read that environment's run numbers as its own, and with
  --full-refresh the view takes the place of the table. What is there already stays, as in dbt's own.
-#}
{% materialization clone, default %}
    {% set stays = load_cached_relation(this) is not none and not flags.FULL_REFRESH %}
    {% if defer_relation and not stays %}
        {% do exceptions.raise_compiler_error(
            "dbt clone would make " ~ this ~ " a view on " ~ defer_relation ~ ", whose run numbers are those of"
            ~ " another environment: what is built on it here would miss rows. Build it from landing (`dbt"
            ~ " build --select +" ~ model.name ~ "`), or read the other environment's table itself."
        ) %}
    {% endif %}
    {{ return(dbt.materialization_clone_default()) }}
{% endmaterialization %}
