{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ quarantined('customers') }}
union all
{{ quarantined('customer_addresses') }}
union all
{{ quarantined('products') }}
union all
{{ quarantined('product_categories') }}
union all
{{ quarantined('stores') }}
union all
{{ quarantined('promotions') }}
union all
{{ quarantined('orders') }}
union all
{{ quarantined('order_items') }}
union all
{{ quarantined('payments') }}
union all
{{ quarantined('inventory_movements') }}
