{#-
  on-run-start: stops where a log is to be built of which nothing was ever landed, because reading no
  file at all is an error of DuckDB's that names a pattern and not what to do. A topic without records
  is no such case: landing writes a file without rows for it. And where files are and no ledger, by
  which they are read.
-#}
{% macro check_landing() %}
    {% if execute and cdc_history.invocation_writes() and target.type == 'duckdb' %}
        {% do _check_landing() %}
    {% endif %}
{% endmacro %}

{% macro _check_landing() %}
    {% set landing = landing_location() %}
    {% set looks = [] %}
    {% for table in declared_tables()
        if 'model.' ~ project_name ~ '.' ~ table ~ '__log' in selected_resources %}
        {% do looks.append(
            "select '" ~ table ~ "' where not exists (from glob('" ~ landing ~ table ~ "/**/*.parquet'))"
        ) %}
    {% endfor %}
    {% if looks %}
        {% if _finds_nothing(landing ~ '_ledger/*.jsonl')
            and not _finds_nothing(landing ~ landed_folder('*') ~ '*-*.parquet') %}
            {% do cdc_history.refuse_run(
                "the landing zone " ~ landing ~ " has files but no ledger (_ledger/*.jsonl), so nothing"
                ~ " says which of them are whole. Restore the ledger, or set LAKEHOUSE_LANDING to where it is."
            ) %}
        {% endif %}
        {% set missing = run_query(looks | join(' union all ')).columns[0].values() %}
        {% if missing %}
            {% do cdc_history.refuse_run(
                "nothing of " ~ missing | join(', ') ~ " is in the landing zone " ~ landing
                ~ ". Run `lakehouse land --once` first, or set LAKEHOUSE_LANDING to where it is (a path that begins with no"
                ~ " slash is looked for in the current folder)."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro _finds_nothing(pattern) %}
    {% do return(not run_query("select exists (from glob('" ~ pattern ~ "'))").rows[0][0]) %}
{% endmacro %}
