{#-
  The source's quality: no change is dated after it was on Kafka, but for what clocks drift. Versions begin
  at the greatest commit time so far, so one change of the year 2099 hides its row's later versions until
  then. Order is not concerned; somebody has to know. Looked at is the whole log, until each such record is
  accepted: two columns of times.
-#}
{% test no_commit_in_the_future(model, key) %}
    {#- with a clock that is always wrong every record is one: enough of them to see that -#}
    {{ config(severity='warn', store_failures=true, limit=1000) }}
    select
        {%- for column in key %}
        logged.{{ column }},
        {%- endfor %}
        logged._cdc_position,
        logged._cdc_op,
        logged._cdc_committed_at,
        logged.kafka_timestamp,
        logged._cdc_incarnation,
        logged.kafka_partition,
        logged.kafka_offset
    from {{ model }} as logged
    left join {{ cdc_history.operations_relation('acceptances') }} as accepted
        on accepted.relation = '{{ model.identifier }}' and accepted.finding = {{ record_coordinates('logged') }}
    where
        logged._cdc_committed_at > logged.kafka_timestamp + interval '{{ var("commit_ahead_minutes") }} minutes'
        and accepted.finding is null
{% endtest %}
