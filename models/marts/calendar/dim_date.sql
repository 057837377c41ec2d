{#-
  The calendar of 2000 to 2049, made from nothing but numbers, so that it is the same on every engine;
  weekdays are counted from a known Monday, because engines number them differently.
  Redshift: a copy on every node, since every fact joins it.
-#}
{{ config(
    incremental_strategy='append',
    dist='all',
    sort='date_day'
) }}

{%- set first_day = "cast('2000-01-01' as date)" %}

with

{# 50 years. Not dbt.date_spine: it orders a window by a constant, which Redshift refuses. #}
numbers as (
    select cast(series.generated_number as integer) - 1 as day_number
    from ({{ dbt.generate_series(18263) }}) as series
),

days as (
    select
        numbers.day_number,
        cast({{ dbt.dateadd('day', 'numbers.day_number', first_day) }} as date) as date_day
    from numbers
),

-- 2000-01-01 was a Saturday
weekdays as (
    select
        days.date_day,
        cast(mod(days.day_number + 5, 7) + 1 as integer) as day_of_week,
        cast({{ dbt.dateadd('day', '-mod(days.day_number + 5, 7)', 'days.date_day') }} as date)
            as week_start_date
    from days
),

-- the year and number of a week are those of its Thursday (ISO 8601)
thursdays as (
    select
        weekdays.*,
        cast({{ dbt.dateadd('day', 3, 'weekdays.week_start_date') }} as date) as thursday
    from weekdays
),

weeks as (
    select
        thursdays.*,
        cast(extract(year from thursdays.thursday) as integer) as iso_week_year,
        cast(extract(doy from thursdays.thursday) as integer) - 1 as days_before_thursday
    from thursdays
),

final as (
    select
        -- keys
        weeks.date_day,
        -- attributes
        cast(extract(year from weeks.date_day) as integer) as calendar_year,
        cast(extract(quarter from weeks.date_day) as integer) as quarter_of_year,
        cast(extract(month from weeks.date_day) as integer) as month_of_year,
        case cast(extract(month from weeks.date_day) as integer)
            {%- for name in [
                'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September',
                'October', 'November', 'December'
            ] %}
            when {{ loop.index }} then '{{ name }}'
            {%- endfor %}
        end as month_name,
        cast(extract(day from weeks.date_day) as integer) as day_of_month,
        cast(extract(doy from weeks.date_day) as integer) as day_of_year,
        weeks.day_of_week,
        case weeks.day_of_week
            {%- for name in [
                'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'
            ] %}
            when {{ loop.index }} then '{{ name }}'
            {%- endfor %}
        end as day_name,
        weeks.day_of_week >= 6 as is_weekend,
        weeks.iso_week_year,
        cast(
            {{ divide(
                'weeks.days_before_thursday - mod(weeks.days_before_thursday, 7)', 7, 9, 0
            ) }} + 1 as integer
        ) as iso_week,
        weeks.week_start_date,
        cast(date_trunc('month', weeks.date_day) as date) as month_start_date,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from weeks
)

select final.*
from final
{% if is_incremental() %}
left join {{ this }} as written
    on final.date_day = written.date_day
where written.date_day is null
{% endif %}
