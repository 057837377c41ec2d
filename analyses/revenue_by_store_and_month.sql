-- What did each store earn in each month, without tax, after cancellations and returns? One line
-- per currency: amounts of different currencies are never added up.
select
    stores.store_name,
    stores.country_code,
    calendar.month_start_date,
    sales.currency_code,
    sum(sales.order_count) as order_count,
    sum(sales.net_amount) as net_amount,
    sum(sales.revenue_amount) as revenue_amount
from {{ ref('agg_daily_sales') }} as sales
inner join {{ ref('dim_date') }} as calendar
    on sales.sales_date = calendar.date_day
left join {{ ref('dim_store') }} as stores
    on sales.store_id = stores.store_id
group by
    stores.store_name,
    stores.country_code,
    calendar.month_start_date,
    sales.currency_code
order by sales.currency_code asc, calendar.month_start_date asc, sum(sales.net_amount) desc
