{#- The same records without run numbers: what is new in them is what history lacks. -#}
{{ config(materialized='view', bind=false) if target.type == 'redshift' else config(materialized='view') }}

select
    worked_changes.worked,
    worked_changes.row_key,
    worked_changes.tracked,
    worked_changes.untracked,
    case when worked_changes.tracked_before is not null then worked_changes.worked end as _before_worked,
    case when worked_changes.tracked_before is not null then worked_changes.row_key end as _before_row_key,
    worked_changes.tracked_before as _before_tracked,
    worked_changes.untracked_before as _before_untracked,
    worked_changes.position,
    worked_changes.op as _cdc_op,
    worked_changes.is_commit_known as _cdc_commit_known,
    worked_changes.committed_at,
    worked_changes.delivered_at,
    worked_changes.incarnation,
    worked_changes.landed_partition,
    worked_changes.landed_offset
from {{ ref('worked_changes') }} as worked_changes
where worked_changes.run <= {{ var('run') }}
