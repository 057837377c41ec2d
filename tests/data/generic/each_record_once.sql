{#- Our invariant I1/I2: a record, by its coordinates, is decided once in a log. -#}
{% test each_record_once(model) %}
    select
        _cdc_incarnation,
        kafka_partition,
        kafka_offset,
        count(*) as decisions
    from {{ model }}
    where {{ cdc_history.in_audit() }} and _cdc_status <> 'rejected'
    group by _cdc_incarnation, kafka_partition, kafka_offset
    having count(*) > 1
{% endtest %}
