{% macro rows_of_audited_keys(relation, key, beside=none, or_where=none) -%}
    select whole.*
    from {{ relation }} as whole
    {%- if var('audit', 'full') != 'full' %}
    inner join (
        select {{ key | join(', ') }}
        from {{ relation }}
        where {{ cdc_history.in_audit() }}{{ ' or ' ~ or_where if or_where }}
        {%- if beside %}
        union
        select {{ key | join(', ') }}
        from {{ beside }}
        where {{ cdc_history.in_audit() }}
        {%- else %}
        group by {{ key | join(', ') }}
        {%- endif %}
    ) as touched
        on {% for column in key %}{{ ' and ' if not loop.first }}whole.{{ column }} = touched.{{ column }}{% endfor %}
    {%- endif %}
{%- endmacro %}
