{#- Slowly changing dimension type 1. -#}
select
    dimension.worked,
    dimension.row_key,
    dimension.tracked
from {{ ref('dimension') }} as dimension
where dimension.is_current
