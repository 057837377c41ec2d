{{ config(materialized='view') }}

{%- set reporting_currency = var('reporting_currency', 'EUR') %}
{%- set amounts = [
    'gross_amount', 'discount_amount', 'tax_amount', 'net_amount', 'cancelled_amount', 'returned_amount',
    'revenue_amount', 'costed_revenue_amount', 'cost_amount', 'paid_amount', 'refunded_amount'
] %}

with

daily_sales as (
    select * from {{ ref('agg_daily_sales').render() }}
),

rates as (
    select
        exchange_rates.currency_code,
        exchange_rates.valid_from,
        exchange_rates.rate,
        lead(exchange_rates.valid_from) over (
            partition by exchange_rates.currency_code order by exchange_rates.valid_from
        ) as valid_until
    from {{ ref('exchange_rates').render() }} as exchange_rates
    where exchange_rates.reporting_currency_code = '{{ reporting_currency }}'
),

rated as (
    select
        daily_sales.*,
        case
            when daily_sales.currency_code = '{{ reporting_currency }}'
                then cast(1 as decimal(16, 10))
            else rates.rate
        end as exchange_rate
    from daily_sales
    left join rates
        on
            daily_sales.currency_code = rates.currency_code
            and daily_sales.sales_date >= rates.valid_from
            and (daily_sales.sales_date < rates.valid_until or rates.valid_until is null)
),

final as (
    select
        -- keys
        rated.sales_date,
        rated.store_id,
        rated.currency_code,
        -- attributes
        cast('{{ reporting_currency }}' as varchar(12)) as reporting_currency_code,
        rated.exchange_rate,
        -- measures
        {%- for amount in amounts %}
        -- more digits than this would make the product's fail, and with it every query
        cast(
            case
                when abs(rated.{{ amount }}) < 100000000000000000
                    then cast(rated.{{ amount }} as decimal(21, 4)) * rated.exchange_rate
            end as decimal(38, 2)
        ) as {{ amount }},
        {%- endfor %}
        -- lineage
        rated._cdc_run
    from rated
)

select * from final
