{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ dated_ahead('customers') }}
union all
{{ dated_ahead('customer_addresses') }}
union all
{{ dated_ahead('products') }}
union all
{{ dated_ahead('product_categories') }}
union all
{{ dated_ahead('stores') }}
union all
{{ dated_ahead('promotions') }}
union all
{{ dated_ahead('orders') }}
union all
{{ dated_ahead('order_items') }}
union all
{{ dated_ahead('payments') }}
union all
{{ dated_ahead('inventory_movements') }}
