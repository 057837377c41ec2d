{#-
  on-run-start: stops where a log is to be built of which nothing was ever landed, because reading no
  file at all is an error of DuckDB's, or Spark's, that names a pattern and not what to do. A topic without records
  is no such case: landing writes a file without rows for it. And where files are and no ledger, by
  which they are read.
-#}
{% macro check_landing() %}
    {% if execute and cdc_history.invocation_writes() and target.type in ['duckdb', 'spark'] %}
        {% do _check_landing() %}
    {% endif %}
{% endmacro %}

{% macro _check_landing() %}
    {% set landing = landing_location() %}
    {% set tables = [] %}
    {% for table in declared_tables()
        if 'model.' ~ project_name ~ '.' ~ table ~ '__log' in selected_resources %}
        {% do tables.append(table) %}
    {% endfor %}
    {% if tables %}
        {% if finds_nothing(landing ~ '_ledger/*.jsonl')
            and not finds_nothing(landing ~ landed_folder('*') ~ '*-*.parquet') %}
            {% do cdc_history.refuse_run(
                "the landing zone " ~ landing ~ " has files but no ledger (_ledger/*.jsonl), so nothing"
                ~ " says which of them are whole. Restore the ledger, or set LAKEHOUSE_LANDING to where it is."
            ) %}
        {% endif %}
        {% set missing = _tables_without_files(landing, tables) %}
        {% if missing %}
            {% do cdc_history.refuse_run(
                "nothing of " ~ missing | join(', ') ~ " is in the landing zone " ~ landing
                ~ ". Run `lakehouse land --once` first, or set LAKEHOUSE_LANDING to where it is (a path that begins with no"
                ~ " slash is looked for in the current folder)."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro _tables_without_files(landing, tables) %}
    {% set missing, looks = [], [] %}
    {% if target.type == 'spark' %}
        {% for table in tables if finds_nothing(landing ~ landed_folder(table) ~ '*.parquet') %}
            {% do missing.append(table) %}
        {% endfor %}
        {% do return(missing) %}
    {% endif %}
    {% for table in tables %}
        {% do looks.append(
            "select '" ~ table ~ "' where not exists (from glob('" ~ landing ~ table ~ "/**/*.parquet'))"
        ) %}
    {% endfor %}
    {% do return(run_query(looks | join(' union all ')).columns[0].values()) %}
{% endmacro %}

{#- Whether no file has a path of that pattern. To Spark that is an error: 42K03, a path that does not exist. -#}
{% macro finds_nothing(pattern) %}
    {% if target.type == 'spark' %}
        {% do return(run_query(
            "begin declare exit handler for sqlstate '42K03' begin select true as finds_nothing; end;"
            ~ " select count(*) < 0 as finds_nothing from binaryfile.`" ~ pattern ~ "`; end"
        ).rows[0][0]) %}
    {% endif %}
    {% do return(not run_query("select exists (from glob('" ~ pattern ~ "'))").rows[0][0]) %}
{% endmacro %}
