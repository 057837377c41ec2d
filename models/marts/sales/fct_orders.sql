{#-
  One row an order for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed by order_id, which orders, lines and payments are joined by in every run;
  customer_id would put all guests on one slice. Sorted by day, which reports filter by.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_id',
    on_schema_change='fail',
    dist='order_id',
    sort='placed_date'
) }}

with

{% if is_incremental() %}
touched as (
    select changed.order_id
    from {{ ref('orders_history') }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    select changed.order_id
    from {{ ref('int_order_items__valued') }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    {{ touched_by_dimensions(['order_id']) }}
),

written as (
    select
        facts.order_id,
        facts._cdc_row_hash
    from {{ this }} as facts
    where facts.order_id in (select touched.order_id from touched)
),
{% endif %}

current_orders as (
    select
        orders.order_id,
        orders.customer_id,
        orders.store_id,
        orders.promotion_code,
        orders.currency_code,
        orders.status,
        orders.placed_at,
        orders.paid_at,
        orders.shipped_at,
        orders.delivered_at,
        orders.cancelled_at,
        orders.returned_at,
        orders.is_deleted,
        orders._cdc_position,
        orders._cdc_op,
        orders._cdc_row_hash,
        coalesce(stores.calendar_time_zone, 'UTC') as time_zone
    from {{ ref('orders_history') }} as orders
    left join {{ ref('dim_store') }} as stores
        on orders.store_id = stores.store_id
    where
        orders.dbt_valid_to is null
        {% if is_incremental() %}
        and orders.order_id in (select touched.order_id from touched)
        {% endif %}
),

customers as (
    {{ bindable_customers('current_orders') }}
),

-- a deleted line has left the order's totals; an order whose lines have not arrived yet has none
totals as (
    select
        items.order_id,
        count(*) as line_count,
        sum(items.quantity) as unit_count,
        sum(items.returned_quantity) as returned_unit_count,
        sum(items.gross_amount) as gross_amount,
        sum(items.discount_amount) as discount_amount,
        sum(items.tax_amount) as tax_amount,
        sum(items.net_amount) as net_amount,
        sum(items.returned_amount) as returned_amount
    from {{ ref('int_order_items__valued') }} as items
    where
        not items.is_deleted
        {% if is_incremental() %}
        and items.order_id in (select touched.order_id from touched)
        {% endif %}
    group by items.order_id
),

bound as (
    select
        current_orders.*,
        {{ bound_customer_key('current_orders.customer_id', 'customers') }} as customer_key,
        {{ local_date('current_orders.placed_at', 'current_orders.time_zone') }} as placed_date,
        {{ local_date('current_orders.cancelled_at', 'current_orders.time_zone') }}
            as cancelled_date,
        cast(coalesce(totals.line_count, 0) as bigint) as line_count,
        cast(coalesce(totals.unit_count, 0) as bigint) as unit_count,
        cast(coalesce(totals.returned_unit_count, 0) as bigint) as returned_unit_count,
        cast(coalesce(totals.gross_amount, 0) as decimal(38, 2)) as gross_amount,
        cast(coalesce(totals.discount_amount, 0) as decimal(38, 2)) as discount_amount,
        cast(coalesce(totals.tax_amount, 0) as decimal(38, 2)) as tax_amount,
        cast(coalesce(totals.net_amount, 0) as decimal(38, 2)) as net_amount,
        cast(coalesce(totals.returned_amount, 0) as decimal(38, 2)) as returned_amount
    from current_orders
    left join customers
        on {{ binds('current_orders.customer_id', 'current_orders.placed_at', 'customers') }}
    left join totals
        on current_orders.order_id = totals.order_id
),

final as (
    select
        -- keys
        bound.order_id,
        bound.customer_key,
        bound.customer_id,
        bound.store_id,
        {{ case_folded('bound.promotion_code') }} as promotion_key,
        bound.placed_date,
        bound.cancelled_date,
        -- attributes
        bound.promotion_code,
        bound.currency_code,
        bound.status,
        bound.is_deleted,
        -- measures
        bound.line_count,
        bound.unit_count,
        bound.returned_unit_count,
        bound.gross_amount,
        bound.discount_amount,
        bound.tax_amount,
        bound.net_amount,
        bound.returned_amount,
        {{ seconds_between('bound.placed_at', 'bound.paid_at') }} as placed_to_paid_seconds,
        {{ seconds_between('bound.paid_at', 'bound.shipped_at') }} as paid_to_shipped_seconds,
        {{ seconds_between('bound.shipped_at', 'bound.delivered_at') }}
            as shipped_to_delivered_seconds,
        {{ seconds_between('bound.placed_at', 'bound.delivered_at') }}
            as placed_to_delivered_seconds,
        -- timestamps
        bound.placed_at,
        bound.paid_at,
        bound.shipped_at,
        bound.delivered_at,
        bound.cancelled_at,
        bound.returned_at,
        -- lineage
        bound._cdc_position,
        {{ cdc_history.row_hash([
            {'name': '_cdc_row_hash', 'data_type': 'varchar'},
            {'name': '_cdc_position', 'data_type': 'varchar'},
            {'name': '_cdc_op', 'data_type': 'varchar'},
            {'name': 'customer_key', 'data_type': 'varchar'},
            {'name': 'placed_date', 'data_type': 'date'},
            {'name': 'cancelled_date', 'data_type': 'date'},
            {'name': 'line_count', 'data_type': 'bigint'},
            {'name': 'unit_count', 'data_type': 'bigint'},
            {'name': 'returned_unit_count', 'data_type': 'bigint'},
            {'name': 'gross_amount', 'data_type': 'decimal'},
            {'name': 'discount_amount', 'data_type': 'decimal'},
            {'name': 'tax_amount', 'data_type': 'decimal'},
            {'name': 'returned_amount', 'data_type': 'decimal'},
        ], relation='bound') }} as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from bound
)

select final.*
from final
{% if is_incremental() %}
left join written
    on final.order_id = written.order_id
where {{ cdc_history.differs('final._cdc_row_hash', 'written._cdc_row_hash') }}
{% endif %}
