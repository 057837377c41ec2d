{#- The same records without run numbers: what is new in them is what history lacks. -#}
{{ config(materialized='view', bind=false) if target.type == 'redshift' else config(materialized='view') }}

select
    {{ change_columns() }}
from {{ ref('worked_changes') }} as worked_changes
where worked_changes.run <= {{ var('run') }}
