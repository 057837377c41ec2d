{#-
  One spelling of all that a case-insensitive key takes for the same: upper and lower case by the table
  in dbt_project.yml, and without blanks at the end. What engines make of other letters than ASCII's
  differs, so their own lower() sees no others.
-#}
{% macro case_folded(text) -%}
    {%- set trimmed = 'rtrim(' ~ text ~ ", ' ')" -%}
    case
        when {{ byte_length(text) }} = length({{ text }}) then lower({{ trimmed }})
        else translate({{ trimmed }}, '{{ var("case_folding")["letters"] }}', '{{ var("case_folding")["folded"] }}')
    end
{%- endmacro %}
