-- no refresh meanwhile
alter materialized view streaming.customer_addresses_1 auto refresh no;

-- all rows of customer_addresses_1
alter table streaming.customer_addresses_1_archive append from streaming.customer_addresses_1;

-- refreshes go on
alter materialized view streaming.customer_addresses_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.customers_1 auto refresh no;

-- all rows of customers_1
alter table streaming.customers_1_archive append from streaming.customers_1;

-- refreshes go on
alter materialized view streaming.customers_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.inventory_movements_1 auto refresh no;

-- all rows of inventory_movements_1
alter table streaming.inventory_movements_1_archive append from streaming.inventory_movements_1;

-- refreshes go on
alter materialized view streaming.inventory_movements_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.order_items_1 auto refresh no;

-- all rows of order_items_1
alter table streaming.order_items_1_archive append from streaming.order_items_1;

-- refreshes go on
alter materialized view streaming.order_items_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.orders_1 auto refresh no;

-- all rows of orders_1
alter table streaming.orders_1_archive append from streaming.orders_1;

-- refreshes go on
alter materialized view streaming.orders_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.payments_1 auto refresh no;

-- all rows of payments_1
alter table streaming.payments_1_archive append from streaming.payments_1;

-- refreshes go on
alter materialized view streaming.payments_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.product_categories_1 auto refresh no;

-- all rows of product_categories_1
alter table streaming.product_categories_1_archive append from streaming.product_categories_1;

-- refreshes go on
alter materialized view streaming.product_categories_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.products_1 auto refresh no;

-- all rows of products_1
alter table streaming.products_1_archive append from streaming.products_1;

-- refreshes go on
alter materialized view streaming.products_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.promotions_1 auto refresh no;

-- all rows of promotions_1
alter table streaming.promotions_1_archive append from streaming.promotions_1;

-- refreshes go on
alter materialized view streaming.promotions_1 auto refresh yes;

-- no refresh meanwhile
alter materialized view streaming.stores_1 auto refresh no;

-- all rows of stores_1
alter table streaming.stores_1_archive append from streaming.stores_1;

-- refreshes go on
alter materialized view streaming.stores_1 auto refresh yes;

-- records that the log and landing hold
delete from streaming.stores_1_archive
using (
    select
        logged.kafka_partition,
        least(max(logged.kafka_offset) + 1, max(ends.until_offset)) as safe_until
    from staging.stores__log as logged
    inner join (
        select ledger.kafka_partition, max(ledger.until_offset) as until_offset
        from "dev"."operations"."ledger" as ledger
        where ledger.table_name = 'stores' and ledger.incarnation = 1
        group by ledger.kafka_partition
    ) as ends
        on logged.kafka_partition = ends.kafka_partition
    where logged._cdc_incarnation = 1
    group by logged.kafka_partition
) as safe
where
    streaming.stores_1_archive.kafka_partition = safe.kafka_partition
    and streaming.stores_1_archive.kafka_offset < safe.safe_until;
