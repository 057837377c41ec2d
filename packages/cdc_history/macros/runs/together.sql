{#- Several statements, each with its semicolon, as one, where the engine takes one at a time. -#}
{% macro _together(statements) %}{{ return(adapter.dispatch('_together', 'cdc_history')(statements)) }}{% endmacro %}
{% macro default___together(statements) %}{{ return(statements) }}{% endmacro %}
{% macro spark___together(statements) %}{{ return('begin\n' ~ statements ~ '\nend') }}{% endmacro %}
