{#-
  By the month of the sale, so that the rate is of the same pieces. Groups can vanish, so whole groups are
  replaced: the pre-hook empties the touched ones and the query appends what they hold now.
  Redshift: sorted by month, which reports filter by.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['sales_month', 'store_id', 'product_id', 'currency_code'], touched_returns()) }}",
    dist='product_id',
    sort=['sales_month', 'store_id']
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(touched_returns()) }}
),
{% endif %}

sold as (
    select
        cast(date_trunc('month', order_lines.placed_date) as date) as sales_month,
        order_lines.store_id,
        order_lines.product_id,
        order_lines.currency_code,
        order_lines.quantity,
        order_lines.returned_quantity,
        order_lines.revenue_amount,
        order_lines.returned_revenue_amount
    from {{ ref('fct_order_lines') }} as order_lines
    where
        not order_lines.is_deleted
        and order_lines.cancelled_date is null
        and order_lines.store_id is not null
),

summed as (
    select
        sold.sales_month,
        sold.store_id,
        sold.product_id,
        sold.currency_code,
        sum(sold.quantity) as unit_count,
        sum(sold.returned_quantity) as returned_unit_count,
        sum(sold.revenue_amount) as revenue_amount,
        sum(sold.returned_revenue_amount) as returned_revenue_amount
    from sold
    {% if is_incremental() %}
    where
        (sold.sales_month, sold.store_id, sold.product_id, sold.currency_code) in (
            select
                touched.sales_month,
                touched.store_id,
                touched.product_id,
                touched.currency_code
            from touched
        )
    {% endif %}
    group by sold.sales_month, sold.store_id, sold.product_id, sold.currency_code
),

final as (
    select
        -- keys
        summed.sales_month,
        summed.store_id,
        summed.product_id,
        summed.currency_code,
        -- measures
        cast(summed.unit_count as bigint) as unit_count,
        cast(summed.returned_unit_count as bigint) as returned_unit_count,
        {{ divide('summed.returned_unit_count', 'summed.unit_count', 38, 4) }}
            as returned_unit_rate,
        cast(summed.revenue_amount as decimal(38, 2)) as revenue_amount,
        cast(summed.returned_revenue_amount as decimal(38, 2)) as returned_revenue_amount,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from summed
)

select * from final
