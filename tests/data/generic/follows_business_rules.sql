{#-
  The source's quality: rows that break a rule of the business. They are data, kept and counted; this
  names them and the rule.

  rules  the rule in words: SQL condition of the rows that break it
-#}
{% test follows_business_rules(model, key, rules) %}
    {{ config(severity='warn', store_failures=true) }}
    {%- for rule, broken in rules.items() %}
    select
        {%- for column in key %}
        audited.{{ column }},
        {%- endfor %}
        '{{ rule | replace("'", "''") }}' as broken_rule
    from {{ model }} as audited
    where {{ cdc_history.in_audit('audited._cdc_run') }} and ({{ broken }})
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{% endtest %}
