{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ drift('customers') }}
union all
{{ drift('customer_addresses') }}
union all
{{ drift('products') }}
union all
{{ drift('product_categories') }}
union all
{{ drift('stores') }}
union all
{{ drift('promotions') }}
union all
{{ drift('orders') }}
union all
{{ drift('order_items') }}
union all
{{ drift('payments') }}
union all
{{ drift('inventory_movements') }}
