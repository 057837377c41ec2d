{#-
  SQL: the one spelling that all spellings of a case-insensitive text key share. SQL Server's default
  collation compares without case and ignores trailing blanks; so does this.
-#}
{% macro case_folded(text) -%} lower(rtrim({{ text }})) {%- endmacro %}
