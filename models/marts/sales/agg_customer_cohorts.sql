{{ config(materialized='view') }}

with

customer_months as (
    select * from {{ ref('agg_customer_months').render() }}
),

cohorts as (
    select
        customer_months.cohort_month,
        count(distinct customer_months.customer_id) as customer_count
    from customer_months
    group by customer_months.cohort_month
),

final as (
    select
        -- keys
        customer_months.cohort_month,
        customer_months.months_since_first,
        customer_months.currency_code,
        -- measures
        cast(cohorts.customer_count as bigint) as customer_count,
        cast(count(*) as bigint) as active_customer_count,
        cast(sum(customer_months.order_count) as bigint) as order_count,
        cast(sum(customer_months.revenue_amount) as decimal(38, 2)) as revenue_amount,
        -- lineage
        cast(max(customer_months._cdc_run) as bigint) as _cdc_run
    from customer_months
    inner join cohorts
        on customer_months.cohort_month = cohorts.cohort_month
    group by
        customer_months.cohort_month,
        customer_months.months_since_first,
        customer_months.currency_code,
        cohorts.customer_count
)

select * from final
