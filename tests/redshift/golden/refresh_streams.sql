-- refresh
refresh materialized view streaming.customer_addresses_1;

-- refresh
refresh materialized view streaming.customers_1;

-- refresh
refresh materialized view streaming.inventory_movements_1;

-- refresh
refresh materialized view streaming.order_items_1;

-- refresh
refresh materialized view streaming.orders_1;

-- refresh
refresh materialized view streaming.payments_1;

-- refresh
refresh materialized view streaming.product_categories_1;

-- refresh
refresh materialized view streaming.products_1;

-- refresh
refresh materialized view streaming.promotions_1;

-- refresh
refresh materialized view streaming.stores_1;
