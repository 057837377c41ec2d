{#-
  The source's quality: a change that was delivered again has the same values. Of two that differ the
  later stands in history; both are reported here. Reads of a snapshot may differ: they are no changes.
-#}
{% test one_change_one_value(model, key) %}
    {{ config(severity='warn', store_failures=true) }}
    with deliveries as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    )

    select
        {{ key | join(', ') }},
        _cdc_position,
        _cdc_op,
        count(*) as deliveries,
        min(kafka_offset) as first_offset,
        max(kafka_offset) as last_offset
    from deliveries
    where _cdc_status = 'accepted' and _cdc_op <> 'r'
    group by {{ key | join(', ') }}, _cdc_position, _cdc_op
    having min(_cdc_row_hash) <> max(_cdc_row_hash)
{% endtest %}
