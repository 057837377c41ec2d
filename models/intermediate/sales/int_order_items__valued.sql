with

items as (
    select * from {{ ref('order_items_history').render() }}
),

current_items as (
    select
        items.*,
        cast(items.quantity * cast(items.unit_price as decimal(24, 2)) as decimal(24, 2))
            as gross_amount
    from items
    where items.dbt_valid_to is null
),

netted as (
    select
        current_items.*,
        cast(current_items.gross_amount - current_items.discount_amount as decimal(24, 2))
            as revenue_amount,
        cast(
            current_items.gross_amount - current_items.discount_amount + current_items.tax_amount
            as decimal(24, 2)
        ) as net_amount
    from current_items
),

final as (
    select
        -- keys
        netted.order_id,
        netted.line_no,
        netted.product_id,
        -- measures
        netted.quantity,
        netted.returned_quantity,
        netted.unit_price,
        netted.gross_amount,
        netted.discount_amount,
        netted.tax_amount,
        netted.net_amount,
        netted.revenue_amount,
        -- the part of the line's amount that belongs to the pieces that came back
        {%- for amount, returned in [
            ('net_amount', 'returned_amount'), ('revenue_amount', 'returned_revenue_amount')
        ] %}
        cast(
            case
                when netted.returned_quantity = 0 or netted.quantity = 0
                    then cast(0 as decimal(24, 2))
                when netted.returned_quantity = netted.quantity then netted.{{ amount }}
                else {{ divide(
                    'cast(netted.' ~ amount ~ ' * netted.returned_quantity as decimal(34, 2))',
                    'netted.quantity', 24, 2
                ) }}
            end as decimal(24, 2)
        ) as {{ returned }},
        {%- endfor %}
        -- timestamps
        netted.returned_at,
        netted.is_deleted,
        -- lineage
        netted._cdc_position,
        netted._cdc_op,
        netted._cdc_row_hash,
        netted._cdc_run
    from netted
)

select * from final
