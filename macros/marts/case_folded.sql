{#- SQL Server's default collation compares without case and ignores trailing blanks; so does this. -#}
{% macro case_folded(text) -%} lower(rtrim({{ text }})) {%- endmacro %}
