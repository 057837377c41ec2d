{#-
  The source's quality, or a row on its way: facts whose order is not there, or whose day is in no
  calendar. They heal when it arrives.

  references  list of {column, to, field}; null refers to nothing
-#}
{% test refers_to_known_members(model, key, references) %}
    {{ config(severity='warn', store_failures=true) }}
    {%- for reference in references %}
    select
        {%- for column in key %}
        facts.{{ column }},
        {%- endfor %}
        '{{ reference["column"] }}' as reference_column,
        cast(facts.{{ reference["column"] }} as varchar(200)) as unknown_value
    from {{ model }} as facts
    left join {{ reference["to"] }} as members
        on facts.{{ reference["column"] }} = members.{{ reference["field"] }}
    where
        {{ cdc_history.in_audit('facts._cdc_run') }}
        and facts.{{ reference["column"] }} is not null
        and members.{{ reference["field"] }} is null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endtest %}
