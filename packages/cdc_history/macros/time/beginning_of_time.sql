{#- Before every commit time; every engine and every client can hold it. -#}
{% macro beginning_of_time() -%} cast('1900-01-01 00:00:00' as timestamp) {%- endmacro %}
