{#- SQL: the text itself. In literals of Redshift and Spark a backslash stands for what follows it. -#}
{% macro text_literal(text) %}{{ return(adapter.dispatch('text_literal', 'cdc_history')(text)) }}{% endmacro %}
{% macro default__text_literal(text) -%} '{{ text | replace("'", "''") }}' {%- endmacro %}
{% macro spark__text_literal(text) -%} '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}' {%- endmacro %}
{% macro redshift__text_literal(text) -%} '{{ text | replace("\\", "\\\\") | replace("'", "''") }}' {%- endmacro %}
