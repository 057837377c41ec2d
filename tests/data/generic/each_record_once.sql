{#- Our invariant I1/I2: a record, by its coordinates, is decided once in a log, whichever runs read it. -#}
{% test each_record_once(model) %}
    with decided as (
        {{ cdc_history.rows_of_audited_keys(model, ['_cdc_incarnation', 'kafka_partition', 'kafka_offset']) }}
    )

    select
        _cdc_incarnation,
        kafka_partition,
        kafka_offset,
        count(*) as decisions
    from decided
    where _cdc_status <> 'rejected'
    group by _cdc_incarnation, kafka_partition, kafka_offset
    having count(*) > 1
{% endtest %}
