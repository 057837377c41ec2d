-- What did each store earn in each month, without tax, after cancellations and returns, in the
-- reporting currency? `is_whole` is false where a day had no exchange rate.
select
    stores.store_name,
    stores.country_code,
    calendar.month_start_date,
    sales.reporting_currency_code,
    count(*) = count(sales.exchange_rate) as is_whole,
    sum(sales.net_amount) as net_amount,
    sum(sales.revenue_amount) as revenue_amount
from {{ ref('agg_daily_sales_converted') }} as sales
inner join {{ ref('dim_date') }} as calendar
    on sales.sales_date = calendar.date_day
left join {{ ref('dim_store') }} as stores
    on sales.store_id = stores.store_id
group by
    stores.store_name,
    stores.country_code,
    calendar.month_start_date,
    sales.reporting_currency_code
order by calendar.month_start_date asc, sum(sales.net_amount) desc
