{#-
  Groups can vanish (the only order of a day is deleted or moves), so whole groups are replaced: the
  pre-hook empties the touched ones and the query appends what they hold now.
  Redshift: small; sorted by day, which reports filter by.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['sales_date', 'store_id', 'currency_code'], touched_sales_groups()) }}",
    dist='even',
    sort=['sales_date', 'store_id']
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(touched_sales_groups()) }}
),
{% endif %}

{#- What each kind of booking adds to a group; what a kind does not name it leaves at 0. -#}
{%- set measures = {
    'order_count': 'bigint', 'unit_count': 'bigint', 'gross_amount': 'decimal(38, 2)',
    'discount_amount': 'decimal(38, 2)', 'tax_amount': 'decimal(38, 2)', 'net_amount': 'decimal(38, 2)',
    'cancelled_order_count': 'bigint', 'cancelled_amount': 'decimal(38, 2)',
    'returned_unit_count': 'bigint', 'returned_amount': 'decimal(38, 2)',
    'revenue_amount': 'decimal(38, 2)', 'costed_revenue_amount': 'decimal(38, 2)', 'cost_amount': 'decimal(38, 4)',
    'paid_amount': 'decimal(38, 2)', 'refunded_amount': 'decimal(38, 2)'
} %}
{%- set costed_return %}
case when lines.cost_amount is not null then lines.returned_revenue_amount else 0 end
{%- endset %}
{%- set bookings = [
    {
        'facts': 'orders', 'relation': ref('fct_orders'), 'booked': 'orders.placed_date', 'condition': 'not orders.is_deleted',
        'adds': {
            'order_count': '1', 'unit_count': 'orders.unit_count',
            'gross_amount': 'orders.gross_amount', 'discount_amount': 'orders.discount_amount',
            'tax_amount': 'orders.tax_amount', 'net_amount': 'orders.net_amount',
            'revenue_amount': 'orders.revenue_amount',
        },
    },
    {
        'facts': 'orders', 'relation': ref('fct_orders'), 'booked': 'orders.cancelled_date',
        'condition': 'not orders.is_deleted and orders.cancelled_date is not null',
        'adds': {
            'cancelled_order_count': '1', 'cancelled_amount': 'orders.net_amount',
            'revenue_amount': '-orders.revenue_amount',
        },
    },
    {
        'facts': 'lines', 'relation': ref('fct_order_lines'), 'booked': 'lines.returned_date',
        'condition': 'not lines.is_deleted and lines.returned_date is not null',
        'adds': {
            'returned_unit_count': 'lines.returned_quantity', 'returned_amount': 'lines.returned_amount',
            'revenue_amount': '-lines.returned_revenue_amount',
            'costed_revenue_amount': '-' ~ costed_return, 'cost_amount': '-coalesce(lines.returned_cost_amount, 0)',
        },
    },
    {
        'facts': 'lines', 'relation': ref('fct_order_lines'),
        'booked': 'greatest(lines.cancelled_date, lines.returned_date)',
        'condition': 'not lines.is_deleted and lines.cancelled_date is not null and lines.returned_date is not null',
        'adds': {
            'revenue_amount': 'lines.returned_revenue_amount', 'costed_revenue_amount': costed_return,
            'cost_amount': 'coalesce(lines.returned_cost_amount, 0)',
        },
    },
    {
        'facts': 'lines', 'relation': ref('fct_order_lines'), 'booked': 'lines.placed_date',
        'condition': 'not lines.is_deleted and lines.cost_amount is not null',
        'adds': {'costed_revenue_amount': 'lines.revenue_amount', 'cost_amount': 'lines.cost_amount'},
    },
    {
        'facts': 'lines', 'relation': ref('fct_order_lines'), 'booked': 'lines.cancelled_date',
        'condition': 'not lines.is_deleted and lines.cost_amount is not null and lines.cancelled_date is not null',
        'adds': {'costed_revenue_amount': '-lines.revenue_amount', 'cost_amount': '-lines.cost_amount'},
    },
    {
        'facts': 'payments', 'relation': ref('fct_payments'), 'booked': 'payments.booked_date', 'condition': 'not payments.is_deleted',
        'adds': {
            'paid_amount': "case when payments.payment_kind <> 'refund' then payments.amount else 0 end",
            'refunded_amount': "case when payments.payment_kind = 'refund' then -payments.amount else 0 end",
        },
    },
] %}
bookings as (
    {%- for booking in bookings %}
    {%- set facts = booking['facts'] %}
    select
        {{ booking['booked'] }} as sales_date,
        {{ facts }}.store_id,
        {{ facts }}.currency_code,
        {%- for measure, type in measures.items() %}
        cast(
            {{ booking['adds'].get(measure, '0') }} as {{ type }}
        ) as {{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ booking['relation'] }} as {{ facts }}
    where
        {{ booking['condition'] }}
        and {{ facts }}.store_id is not null
        {%- if is_incremental() %}
        and (
            {{ booking['booked'] }}, {{ facts }}.store_id, {{ facts }}.currency_code
        ) in (
            select
                touched.sales_date,
                touched.store_id,
                touched.currency_code
            from touched
        )
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        -- keys
        bookings.sales_date,
        bookings.store_id,
        bookings.currency_code,
        -- measures
        {%- for measure, type in measures.items() %}
        cast(sum(bookings.{{ measure }}) as {{ type }}) as {{ measure }},
        {%- endfor %}
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from bookings
    group by bookings.sales_date, bookings.store_id, bookings.currency_code
)

select * from final
