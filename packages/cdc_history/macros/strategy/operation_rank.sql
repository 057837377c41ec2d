{#-
  SQL: the order of operations that share a position. A deferred update is a delete and an insert at one
  place; a read that carries the place of a change was made after that change (docs/semantics.md).
-#}
{% macro operation_rank(operation) -%}
    case {{ operation }} when 'd' then 0 when 'c' then 1 when 'u' then 2 else 3 end
{%- endmacro %}
