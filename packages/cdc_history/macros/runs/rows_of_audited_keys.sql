{% macro rows_of_audited_keys(relation, key) -%}
    select whole.*
    from {{ relation }} as whole
    {%- if var('audit', 'full') != 'full' %}
    inner join (
        select {{ key | join(', ') }}
        from {{ relation }}
        where {{ cdc_history.in_audit() }}
        group by {{ key | join(', ') }}
    ) as touched
        on {% for column in key %}{{ ' and ' if not loop.first }}whole.{{ column }} = touched.{{ column }}{% endfor %}
    {%- endif %}
{%- endmacro %}
