{#- Our invariant: the rows that this run wrote have keys that no other row has. -#}
{% test one_row_a_key(model, key) %}
    select
        {{ key | join(', ') }},
        count(*) as row_count
    from ({{ cdc_history.rows_of_audited_keys(model, key) }}) as audited
    group by {{ key | join(', ') }}
    having count(*) > 1
{% endtest %}
