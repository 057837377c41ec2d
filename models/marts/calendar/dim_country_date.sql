{{ config(materialized='view') }}

{%- set quarters_begun = divide(
    'months.fiscal_month + 2 - mod(months.fiscal_month + 2, 3)', 3, 9, 0
) %}

with

calendar as (
    select * from {{ ref('dim_date').render() }}
),

countries as (
    select * from {{ ref('countries').render() }}
),

holidays as (
    select * from {{ ref('holidays').render() }}
),

-- a day outside of them may be one or not
known_years as (
    select
        holidays.country_code,
        cast(min(extract(year from holidays.holiday_date)) as integer) as first_year,
        cast(max(extract(year from holidays.holiday_date)) as integer) as last_year
    from holidays
    group by holidays.country_code
),

months as (
    select
        countries.country_code,
        countries.country_name,
        calendar.date_day,
        calendar.calendar_year,
        mod(calendar.month_of_year - countries.fiscal_year_first_month + 12, 12) + 1
            as fiscal_month,
        case
            when
                countries.fiscal_year_first_month > 1
                and calendar.month_of_year >= countries.fiscal_year_first_month
                then 1
            else 0
        end as years_ahead,
        calendar._cdc_run
    from countries
    cross join calendar
),

final as (
    select
        -- keys
        months.country_code,
        months.date_day,
        -- attributes
        months.country_name,
        case
            when months.calendar_year between known_years.first_year and known_years.last_year
                then holidays.holiday_name is not null
        end as is_holiday,
        holidays.holiday_name,
        cast(months.calendar_year + months.years_ahead as integer) as fiscal_year,
        cast({{ quarters_begun }} as integer) as fiscal_quarter,
        cast(months.fiscal_month as integer) as fiscal_month,
        -- lineage
        months._cdc_run
    from months
    left join known_years
        on months.country_code = known_years.country_code
    left join holidays
        on
            months.country_code = holidays.country_code
            and months.date_day = holidays.holiday_date
)

select * from final
