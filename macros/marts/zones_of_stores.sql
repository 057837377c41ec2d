{#- UTC is one of them: days are counted in it until the store is known. -#}
{% macro zones_of_stores(moments) %}
zones as (
    select
        stores.store_id,
        known.time_zone
    from {{ ref('stg_retail__stores') }} as stores
    inner join {{ ref('time_zones') }} as known
        on stores.time_zone = known.name
    union
    select
        {{ moments }}.store_id,
        cast('UTC' as varchar(64)) as time_zone
    from {{ moments }}
)
{%- endmacro %}
