{#-
  One row per order for ever, so a merge is enough; only rows that differ from what is there are merged.
  Redshift: distributed by order_id, which orders, lines and payments are joined by in every run;
  customer_id would put all guests on one slice. Sorted by day, which reports filter by.
-#}
{{ config(
    incremental_strategy='merge',
    unique_key='order_id',
    dist='order_id',
    sort='placed_date'
) }}

{%- set totals = order_totals() %}

with

{% if is_incremental() %}
touched as (
    {{ touched_facts(['order_id'], [ref('orders_history'), ref('int_order_items__valued')]) }}
),
{% endif %}

orders as (
    select
        history.*,
        coalesce(stores.calendar_time_zone, 'UTC') as _time_zone
    from {{ ref('orders_history') }} as history
    left join {{ ref('dim_store') }} as stores
        on history.store_id = stores.store_id
    where
        history.dbt_valid_to is null
        {% if is_incremental() %}
        and history.order_id in (select touched.order_id from touched)
        {% endif %}
),

customers as (
    {{ bindable_versions(ref('dim_customer'), 'customer_id', ['customer_key'], 'orders') }}
),

-- a deleted line has left the order's totals; an order whose lines have not arrived yet has none
totals as (
    select
        {%- for total in totals %}
        sum({{ total.summand }}) as {{ total.name }},
        {%- endfor %}
        items.order_id
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
        orders.*,
        {%- for total in totals %}
        cast(coalesce(totals.{{ total.name }}, 0) as {{ total.data_type }}) as {{ total.name }},
        {%- endfor %}
        {{ local_date('orders.placed_at', 'orders._time_zone') }} as placed_date,
        {{ local_date('orders.cancelled_at', 'orders._time_zone') }} as cancelled_date,
        {{ bound_customer_key('orders.customer_id', 'customers') }} as customer_key
    from orders
    left join customers
        on {{ binds('orders', 'orders.placed_at', 'customers', 'customer_id') }}
    left join totals
        on orders.order_id = totals.order_id
),

final as (
    select
        -- keys
        bound.order_id,
        bound.customer_key,
        bound.customer_id,
        {{ member_key('bound.store_id', 'integer') }} as store_key,
        bound.store_id,
        {{ member_key(case_folded('bound.promotion_code'), 'varchar', none_key()) }}
            as promotion_key,
        bound.placed_date,
        bound.cancelled_date,
        -- attributes
        bound.promotion_code,
        bound.currency_code,
        bound.status,
        bound.is_deleted,
        -- measures
        {%- for total in totals %}
        bound.{{ total.name }},
        {%- endfor %}
        {%- for begun, ended in [
            ('placed', 'paid'), ('paid', 'shipped'), ('shipped', 'delivered'), ('placed', 'delivered')
        ] %}
        {{ seconds_between('bound.' ~ begun ~ '_at', 'bound.' ~ ended ~ '_at') }}
            as {{ begun }}_to_{{ ended }}_seconds,
        {%- endfor %}
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
        ] + totals | rejectattr('name', 'in', ['net_amount', 'revenue_amount']) | list, relation='bound') }}
            as _cdc_row_hash,
        {{ cdc_history.current_run() }} as _cdc_run
    from bound
)

{{ only_what_differs('final', ['order_id']) }}
