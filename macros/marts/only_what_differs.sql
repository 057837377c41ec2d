{% macro only_what_differs(rows, key) %}
select {{ rows }}.*
from {{ rows }}
{%- if is_incremental() %}
left join {{ this }} as written
    on {% for column in key -%}
        {{ rows }}.{{ column }} = written.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor %}
where {{ cdc_history.differs(rows ~ '._cdc_row_hash', 'written._cdc_row_hash') }}
{%- endif %}
{% endmacro %}
