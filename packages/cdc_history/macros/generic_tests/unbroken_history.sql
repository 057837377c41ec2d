{% test unbroken_history(model, key, sequence_by='_cdc_position', valid_from='dbt_valid_from', valid_to='dbt_valid_to') %}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    ),

    followed as (
        select
            versions.*,
            lead({{ valid_from }}) over (
                partition by {{ key | join(', ') }}
                order by {{ sequence_by }}, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as next_valid_from
        from versions
    )

    select
        {{ key | join(', ') }},
        {{ sequence_by }},
        _cdc_op,
        {{ valid_from }},
        {{ valid_to }},
        next_valid_from
    from followed
    where
        {{ valid_to }} < {{ valid_from }}
        or {{ cdc_history.differs(valid_to, 'next_valid_from') }}
{% endtest %}
