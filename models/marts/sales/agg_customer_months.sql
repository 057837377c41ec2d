{#-
  An order that changes can make another month the customer's first, so whole customers are replaced: the
  pre-hook empties the touched ones and the query appends what they hold now.
  Redshift: distributed and sorted by the customer, whose rows are replaced together.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['customer_id'], touched_customer_values()) }}",
    dist='customer_id',
    sort='customer_id'
) }}

with

orders as (
    select
        orders.*,
        cast(date_trunc('month', orders.placed_date) as date) as sales_month
    from {{ ref('fct_orders') }} as orders
    where
        not orders.is_deleted
        and orders.customer_id is not null
        {% if is_incremental() %}
        and orders.customer_id in (
            select touched.customer_id
            from ({{ touched_keys(touched_customer_values()) }}) as touched
        )
        {% endif %}
),

firsts as (
    select
        orders.customer_id,
        min(orders.sales_month) as cohort_month
    from orders
    group by orders.customer_id
),

months as (
    select
        orders.customer_id,
        orders.sales_month,
        orders.currency_code,
        count(*) as order_count,
        sum({{ kept_revenue('orders') }}) as revenue_amount
    from orders
    group by orders.customer_id, orders.sales_month, orders.currency_code
),

final as (
    select
        -- keys
        months.customer_id,
        months.sales_month,
        months.currency_code,
        -- attributes
        firsts.cohort_month,
        cast(
            12 * (extract(year from months.sales_month) - extract(year from firsts.cohort_month))
            + extract(month from months.sales_month) - extract(month from firsts.cohort_month)
            as integer
        ) as months_since_first,
        -- measures
        cast(months.order_count as bigint) as order_count,
        cast(months.revenue_amount as decimal(38, 2)) as revenue_amount,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from months
    inner join firsts
        on months.customer_id = firsts.customer_id
)

select * from final
