select
    worked,
    row_key
from {{ ref('current_rows') }}
group by worked, row_key
having count(*) > 1
