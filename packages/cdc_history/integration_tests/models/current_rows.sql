{#- Slowly changing dimension type 1. -#}
{% if target.type == 'spark' %}{{ config(materialized='table') }}{% endif %}
select
    dimension.worked,
    dimension.row_key,
    dimension.tracked
from {{ ref('dimension') }} as dimension
where dimension.is_current
