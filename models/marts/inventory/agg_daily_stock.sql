{#-
  A periodic snapshot without the days on which nothing moved: a row says until when it holds. A late movement
  moves all later days of its stock, so whole stocks are replaced: the pre-hook empties the touched ones and the
  query appends what they hold now.
  Redshift: distributed like the movements; sorted by the stock, whose rows are replaced together.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['store_id', 'product_id'], touched_stock()) }}",
    dist='product_id',
    sort=['product_id', 'store_id']
) }}

{%- set by_day = 'partition by days.store_id, days.product_id order by days.stock_date' %}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(touched_stock()) }}
),
{% endif %}

days as (
    select
        movements.store_id,
        movements.product_id,
        movements.moved_date as stock_date,
        sum(case when movements.quantity > 0 then movements.quantity else 0 end)
            as received_quantity,
        sum(case when movements.quantity < 0 then -movements.quantity else 0 end)
            as issued_quantity
    from {{ ref('fct_inventory_movements') }} as movements
    where
        not movements.is_deleted
        {% if is_incremental() %}
        and (movements.store_id, movements.product_id) in (
            select
                touched.store_id,
                touched.product_id
            from touched
        )
        {% endif %}
    group by movements.store_id, movements.product_id, movements.moved_date
),

final as (
    select
        -- keys
        days.stock_date,
        days.store_id,
        days.product_id,
        coalesce(
            lead(days.stock_date) over ({{ by_day }}), cast('9999-12-31' as date)
        ) as until_date,
        -- measures
        cast(days.received_quantity as bigint) as received_quantity,
        cast(days.issued_quantity as bigint) as issued_quantity,
        cast(
            sum(days.received_quantity - days.issued_quantity) over (
                {{ by_day }} rows between unbounded preceding and current row
            ) as bigint
        ) as closing_quantity,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from days
)

select * from final
