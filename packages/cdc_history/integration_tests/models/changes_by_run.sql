{#- Records as a log keeps them: each with the number of the run that added it, and Kafka's coordinates. -#}
{{ config(materialized='incremental', incremental_strategy='append') }}

select
    {{ change_columns({
        'position': '_cdc_position',
        'committed_at': '_cdc_committed_at',
        'delivered_at': 'kafka_timestamp',
        'incarnation': '_cdc_incarnation',
        'landed_partition': 'kafka_partition',
        'landed_offset': 'kafka_offset',
    }) }},
    {{ cdc_history.current_run() }} as _cdc_run
from {{ ref('worked_changes') }} as worked_changes
where
    worked_changes.run <= {{ var('run') }}
    {% if is_incremental() %}
    and not exists (
        select 1
        from {{ this }} as added
        where
            added.worked = worked_changes.worked
            and added._cdc_incarnation = worked_changes.incarnation
            and added.kafka_partition = worked_changes.landed_partition
            and added.kafka_offset = worked_changes.landed_offset
    )
    {% endif %}
