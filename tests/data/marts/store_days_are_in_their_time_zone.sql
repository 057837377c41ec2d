-- A store's days are those of the time zone that its own name for it means; see seed time_zones.
select
    stores.store_id,
    stores.time_zone,
    stores.calendar_time_zone,
    zones.time_zone as known_time_zone
from {{ ref('dim_store') }} as stores
left join {{ ref('time_zones') }} as zones
    on stores.time_zone = zones.name
where stores.calendar_time_zone <> coalesce(zones.time_zone, 'UTC')
