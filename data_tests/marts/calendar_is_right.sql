-- Our invariant: the calendar has each day of its fifty years once, with the weeks of ISO 8601.
with

known_days as (
    select cast('2000-01-01' as date) as date_day, 6 as day_of_week, 1999 as iso_week_year, 52 as iso_week
    union all
    select cast('2020-02-29' as date), 6, 2020, 9
    union all
    select cast('2021-01-03' as date), 7, 2020, 53
    union all
    select cast('2024-12-30' as date), 1, 2025, 1
    union all
    select cast('2049-12-31' as date), 5, 2049, 52
),

calendar as (
    select * from {{ ref('dim_date') }}
),

counted as (
    select
        count(*) as row_count,
        count(distinct calendar.date_day) as day_count
    from calendar
)

select
    known_days.date_day,
    known_days.day_of_week,
    known_days.iso_week
from known_days
cross join counted
left join calendar
    on
        known_days.date_day = calendar.date_day
        and known_days.day_of_week = calendar.day_of_week
        and known_days.iso_week_year = calendar.iso_week_year
        and known_days.iso_week = calendar.iso_week
where calendar.date_day is null or counted.row_count <> 18263 or counted.day_count <> 18263
