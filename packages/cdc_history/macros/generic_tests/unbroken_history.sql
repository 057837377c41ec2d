{% test unbroken_history(model, key, sequence_by='_cdc_position') %}
    {% set columns = cdc_history._snapshot_names(model) %}
    {% set valid_from, valid_to = columns.dbt_valid_from, columns.dbt_valid_to %}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    ),

    followed as (
        select
            versions.*,
            lead({{ valid_from }}{{ ', 1, ' ~ columns.open_end if columns.open_end }}) over (
                partition by {{ key | join(', ') }}
                order by _cdc_order, {{ cdc_history.operation_rank('_cdc_op') }}
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
        {{ valid_from }} is null
        or {{ valid_to }} < {{ valid_from }}
        or {{ cdc_history.differs(valid_to, 'next_valid_from') }}
{% endtest %}
