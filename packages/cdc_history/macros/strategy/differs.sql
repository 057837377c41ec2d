{#- Boolean SQL, never null: the two values differ, null being a value like any other. -#}
{% macro differs(a, b) -%}
    coalesce({{ a }} <> {{ b }}, ({{ a }} is null) <> ({{ b }} is null))
{%- endmacro %}
