{#- After every commit time: the end of what is still valid, where null will not do. -#}
{% macro end_of_time() -%} cast('9999-12-31 00:00:00' as timestamp) {%- endmacro %}
