{#-
  DuckDB compares all parts of an expression with one another: a chain of || holds itself once for each
  part, and a table of hundreds of columns takes minutes to plan. Redshift's concat takes two arguments.
-#}
{% macro concatenated(parts) %}{{ return(adapter.dispatch('concatenated', 'cdc_history')(parts)) }}{% endmacro %}
{% macro duckdb__concatenated(parts) -%} concat({{ parts | join(', ') }}) {%- endmacro %}
{% macro default__concatenated(parts) -%} {{ parts | join(' || ') }} {%- endmacro %}
