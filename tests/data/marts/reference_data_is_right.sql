-- Our invariant: in each seed of reference data a key has one row, and what a key names is there.
{%- set keys = {
    'currencies': ['currency_code'],
    'countries': ['country_code'],
    'holidays': ['country_code', 'holiday_date'],
    'exchange_rates': ['currency_code', 'reporting_currency_code', 'valid_from'],
} %}
{%- for seed, key in keys.items() %}
select
    '{{ seed }}: one key, several rows' as problem,
    count(*) as row_count
from {{ ref(seed) }} as seeds
group by
    {%- for column in key %}
    seeds.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
having count(*) > 1
union all
{%- endfor %}
select
    'holidays: a country that countries has not' as problem,
    count(*) as row_count
from {{ ref('holidays') }} as holidays
left join {{ ref('countries') }} as countries
    on holidays.country_code = countries.country_code
where countries.country_code is null
having count(*) > 0
union all
select
    'countries: no month' as problem,
    count(*) as row_count
from {{ ref('countries') }} as countries
where countries.fiscal_year_first_month not between 1 and 12
having count(*) > 0
