{#- It heals when the change arrives, and a source may write its images late: a warning, whose rows are kept. -#}
{% test before_images_chain(model, key, sequence_by='_cdc_position') %}
    {{ config(severity='warn', store_failures=true) }}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key) }}
    ),

    chained as (
        select
            versions.*,
            lag(_cdc_row_hash) over (
                partition by {{ key | join(', ') }}
                order by {{ sequence_by }}, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as previous_row_hash
        from versions
    )

    select
        {{ key | join(', ') }},
        {{ sequence_by }},
        _cdc_op,
        {{ cdc_history._snapshot_names(model).dbt_updated_at }} as dbt_updated_at,
        _cdc_before_hash,
        previous_row_hash
    from chained
    where _cdc_before_hash is not null and {{ cdc_history.differs('_cdc_before_hash', 'previous_row_hash') }}
{% endtest %}
