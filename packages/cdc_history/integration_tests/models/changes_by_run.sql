{#- Records as a log keeps them: each with the number of the run that added it, and Kafka's coordinates. -#}
{{ config(materialized='incremental', incremental_strategy='append') }}

select
    worked_changes.worked,
    worked_changes.row_key,
    worked_changes.tracked,
    worked_changes.untracked,
    case when worked_changes.tracked_before is not null then worked_changes.worked end as _before_worked,
    case when worked_changes.tracked_before is not null then worked_changes.row_key end as _before_row_key,
    worked_changes.tracked_before as _before_tracked,
    worked_changes.untracked_before as _before_untracked,
    worked_changes.position as _cdc_position,
    worked_changes.op as _cdc_op,
    worked_changes.is_commit_known as _cdc_commit_known,
    worked_changes.committed_at as _cdc_committed_at,
    worked_changes.delivered_at as kafka_timestamp,
    worked_changes.incarnation as _cdc_incarnation,
    worked_changes.landed_partition as kafka_partition,
    worked_changes.landed_offset as kafka_offset,
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
