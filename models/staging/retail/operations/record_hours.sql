{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ record_hours('customers') }}
union all
{{ record_hours('customer_addresses') }}
union all
{{ record_hours('products') }}
union all
{{ record_hours('product_categories') }}
union all
{{ record_hours('stores') }}
union all
{{ record_hours('promotions') }}
union all
{{ record_hours('orders') }}
union all
{{ record_hours('order_items') }}
union all
{{ record_hours('payments') }}
union all
{{ record_hours('inventory_movements') }}
