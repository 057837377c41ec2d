-- Our invariant: the calendar has each day of its fifty years once, with the weeks of ISO 8601.
with

{%- set known = [
    ('2000-01-01', 6, 1999, 52),
    ('2020-02-29', 6, 2020, 9),
    ('2021-01-03', 7, 2020, 53),
    ('2024-12-30', 1, 2025, 1),
    ('2049-12-31', 5, 2049, 52),
] %}
known_days as (
    {%- for date_day, day_of_week, iso_week_year, iso_week in known %}
    select
        cast('{{ date_day }}' as date) as date_day,
        {{ day_of_week }} as day_of_week,
        {{ iso_week_year }} as iso_week_year,
        {{ iso_week }} as iso_week
    {{ 'union all' if not loop.last }}
    {%- endfor %}
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
