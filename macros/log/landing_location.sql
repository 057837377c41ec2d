{#-
  The environment counts before what was parsed, since dbt may be given a manifest. URIs that Spark takes
  for another prefix are refused, as landing refuses them: here they would be a folder without records.
-#}
{% macro landing_location() %}
    {% set parsed = declared_sources().values() | map(attribute='config.meta.landing') | first | default('') %}
    {% set landing = env_var('LAKEHOUSE_LANDING', parsed) %}
    {% set location = landing.rstrip('/') | replace('s3a://', 's3://') %}
    {% if modules.re.search("['*?\\[\\]{}]", location) %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_LANDING is " ~ landing ~ ": none of ' * ? [ ] { } may be in its name, which DuckDB, dbt or"
            ~ " Spark would read as a pattern."
        ) %}
    {% endif %}
    {% if location.startswith('file:') and not location.startswith('file:///') %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_LANDING is " ~ landing ~ ": write a folder as its path, or as file:///path."
        ) %}
    {% endif %}
    {% set parts = location.split('/')[2:] if location.startswith('s3://') else [] %}
    {% if '' in parts or '.' in parts or '..' in parts %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_LANDING is " ~ landing ~ ": a doubled slash, `.` and `..` mean another prefix to Spark"
            ~ " than to S3. Write it without them, as for `lakehouse land`."
        ) %}
    {% endif %}
    {% do return(location ~ '/') %}
{% endmacro %}
