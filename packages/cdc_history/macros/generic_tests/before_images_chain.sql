{#-
  The proof from the data itself: the before image of a change is the version before it. A break is a
  change that was lost, misplaced or has not arrived yet. It heals when the change arrives.
-#}
{% test before_images_chain(model, key) %}
    {{ config(severity='warn', store_failures=true) }}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    ),

    chained as (
        select
            versions.*,
            lag(_cdc_row_hash) over (
                partition by {{ key | join(', ') }}
                order by _cdc_position, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as previous_row_hash
        from versions
    )

    select
        {{ key | join(', ') }},
        _cdc_position,
        _cdc_op,
        _cdc_committed_at,
        _cdc_before_hash,
        previous_row_hash
    from chained
    where _cdc_before_hash is not null and {{ cdc_history.differs('_cdc_before_hash', 'previous_row_hash') }}
{% endtest %}
