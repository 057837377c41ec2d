{#- The columns are the view's contract, which is the table's: their YAML has one list for both. -#}
{% macro without_deleted(table) %}
select
    {%- for column in model.columns %}
    alive.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ table.render() }} as alive
where not alive.is_deleted
{%- endmacro %}
