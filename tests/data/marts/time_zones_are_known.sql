-- Our invariant: each name has one time zone. One that the engine does not know is an error here.
select
    zones.name,
    count(*) as row_count
from {{ ref('time_zones') }} as zones
group by zones.name
having
    count(*) > 1
    or count({{ local_date("cast('2026-03-02' as timestamp)", 'zones.time_zone') }}) < count(*)
