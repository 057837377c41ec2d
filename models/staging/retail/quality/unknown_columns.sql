{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ unknown_columns('customers') }}
union all
{{ unknown_columns('customer_addresses') }}
union all
{{ unknown_columns('products') }}
union all
{{ unknown_columns('product_categories') }}
union all
{{ unknown_columns('stores') }}
union all
{{ unknown_columns('promotions') }}
union all
{{ unknown_columns('orders') }}
union all
{{ unknown_columns('order_items') }}
union all
{{ unknown_columns('payments') }}
union all
{{ unknown_columns('inventory_movements') }}
