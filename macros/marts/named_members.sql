{#-
  Staging keeps every change, so an id once named stays a member. In a full build null is one more: facts
  that name none need a row too.
-#}
{% macro named_members(mentions, data_type, written) %}
    {%- if is_incremental() %}
    select named.id
    from (
    {%- endif %}
    {%- for relation, id in mentions %}
    select {{ id }} as id
    from {{ relation }} as changed
    {%- if is_incremental() %}
    where changed._cdc_run > {{ cdc_history.consumed_run() }} and {{ id }} is not null
    {%- endif %}
    {{ 'union' if not loop.last }}
    {%- endfor %}
    {%- if is_incremental() %}
    ) as named
    left join {{ this }} as written
        on named.id = {{ written }}
    where {{ written }} is null
    group by named.id
    {%- else %}
    union
    select cast(null as {{ data_type }}) as id
    {%- endif %}
{% endmacro %}

{#- What of a dimension's row is known: of which kind the member is. -#}
{% macro member_kind(id, named, without=none) -%}
    cast(
        case
            when {{ id }} is not null then 'member'
            when {{ named }} is not null then 'inferred'
            else '{{ without or 'unknown' }}'
        end as varchar(8)
    )
{%- endmacro %}
