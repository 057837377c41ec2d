{#- The same records without run numbers: what is new in them is what history lacks. -#}
{% if target.type == 'spark' %}{{ config(materialized='table') }}
{% elif target.type == 'redshift' %}{{ config(materialized='view', bind=false) }}
{% else %}{{ config(materialized='view') }}{% endif %}

select
    {{ change_columns() }}
from {{ ref('worked_changes') }} as worked_changes
where worked_changes.run <= {{ var('run') }}
