{#- Our invariant: versions of a key follow each other without gap or overlap, the last one is open. -#}
{% test unbroken_history(model, key) %}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    ),

    followed as (
        select
            versions.*,
            lead(dbt_valid_from) over (
                partition by {{ key | join(', ') }}
                order by _cdc_position, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as next_valid_from
        from versions
    )

    select
        {{ key | join(', ') }},
        _cdc_position,
        _cdc_op,
        dbt_valid_from,
        dbt_valid_to,
        next_valid_from
    from followed
    where
        dbt_valid_to < dbt_valid_from
        or {{ cdc_history.differs('dbt_valid_to', 'next_valid_from') }}
{% endtest %}
