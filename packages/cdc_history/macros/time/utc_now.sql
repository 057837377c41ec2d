{% macro utc_now() %}{{ return(adapter.dispatch('utc_now', 'cdc_history')()) }}{% endmacro %}
{% macro duckdb__utc_now() -%} cast(now() at time zone 'UTC' as timestamp) {%- endmacro %}
{% macro spark__utc_now() -%} cast(to_utc_timestamp(current_timestamp(), current_timezone()) as timestamp_ntz) {%- endmacro %}
{% macro redshift__utc_now() -%} getdate() {%- endmacro %}
