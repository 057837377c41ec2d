{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ version_days('customers', ['customer_id']) }}
union all
{{ version_days('customer_addresses', ['customer_id', 'address_no']) }}
union all
{{ version_days('products', ['product_id']) }}
union all
{{ version_days('orders', ['order_id']) }}
union all
{{ version_days('order_items', ['order_id', 'line_no']) }}
union all
{{ version_days('payments', ['payment_id']) }}
