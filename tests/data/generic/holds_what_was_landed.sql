{#-
  Our invariant I1: a log holds as many records as the ledger says were landed, over the ranges of offsets
  that it has read. A file that is gone before it is read leaves no other trace: its neighbours join in
  the ledger. `lakehouse landing verify` names the file.
-#}
{% test holds_what_was_landed(model) %}
    with

    audited as (
        select
            _cdc_incarnation,
            kafka_partition,
            min(kafka_offset) as first_offset,
            max(kafka_offset) as last_offset
        from {{ model }}
        where {{ cdc_history.in_audit() }}
        group by _cdc_incarnation, kafka_partition
    ),

    landed as (
        select
            audited._cdc_incarnation,
            audited.kafka_partition,
            min(ledger.from_offset) as from_offset,
            max(ledger.until_offset) as until_offset,
            sum(ledger.row_count) as landed_count
        from audited
        inner join {{ cdc_history.operations_relation('ledger') }} as ledger
            on
                audited._cdc_incarnation = ledger.incarnation
                and audited.kafka_partition = ledger.kafka_partition
                and audited.first_offset <= ledger.from_offset
                and audited.last_offset + 1 >= ledger.until_offset
        where ledger.table_name = '{{ model.identifier.removesuffix('__log') }}'
        group by audited._cdc_incarnation, audited.kafka_partition
    ),

    held as (
        select
            landed._cdc_incarnation,
            landed.kafka_partition,
            count(distinct change_log.kafka_offset) as held_count
        from landed
        inner join {{ model }} as change_log
            on
                landed._cdc_incarnation = change_log._cdc_incarnation
                and landed.kafka_partition = change_log.kafka_partition
                and landed.from_offset <= change_log.kafka_offset
                and landed.until_offset > change_log.kafka_offset
        group by landed._cdc_incarnation, landed.kafka_partition
    )

    select
        landed.*,
        coalesce(held.held_count, 0) as held_count
    from landed
    left join held
        on
            landed._cdc_incarnation = held._cdc_incarnation
            and landed.kafka_partition = held.kafka_partition
    where landed.landed_count <> coalesce(held.held_count, 0)
{% endtest %}
