{#- Slowly changing dimension type 2; its current rows are type 1. -#}
{{ config(materialized='table') }}

with

{{ cdc_history.dimension_versions('versions', ['worked', 'row_key'], [
    {'name': 'worked_row', 'relation': ref('history_by_run')},
]) }}

select
    versions.worked,
    versions.row_key,
    history.tracked,
    versions.valid_from,
    versions.valid_to,
    versions.is_current
from versions
inner join {{ ref('history_by_run') }} as history
    on versions.worked_row_version_id = history.dbt_scd_id
