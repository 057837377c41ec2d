-- the cluster, read by the streaming views
create external schema kafka
from kafka
iam_role 'arn:aws:iam::123456789012:role/redshift-streaming'
authentication iam
uri 'b-1.retail.example:9098,b-2.retail.example:9098';

-- the landing zone, read through Spectrum
create external schema landing
from data catalog
database 'retail_landing'
iam_role 'arn:aws:iam::123456789012:role/redshift-streaming';

-- landed records of customer_addresses
create external table landing.customer_addresses (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/customer_addresses/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of customers
create external table landing.customers (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/customers/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of debezium_heartbeat
create external table landing.debezium_heartbeat (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/debezium_heartbeat/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of debezium_transaction
create external table landing.debezium_transaction (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/debezium_transaction/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of inventory_movements
create external table landing.inventory_movements (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/inventory_movements/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of order_items
create external table landing.order_items (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/order_items/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of orders
create external table landing.orders (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/orders/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of payments
create external table landing.payments (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/payments/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of product_categories
create external table landing.product_categories (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/product_categories/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of products
create external table landing.products (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/products/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of promotions
create external table landing.promotions (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/promotions/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- landed records of stores
create external table landing.stores (
    kafka_topic varchar(249),
    kafka_partition integer,
    kafka_offset bigint,
    kafka_timestamp timestamp,
    kafka_timestamp_type varchar(1),
    kafka_key varbyte(16777216),
    kafka_value varbyte(16777216)
)
partitioned by (incarnation integer, landing_date date, topic_partition integer)
stored as parquet
location 's3://lake/landing/stores/'
table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL');

-- the ledger: which offsets are landed or lost
create external table landing.ledger (
    "table" varchar(128),
    topic varchar(249),
    topic_id varchar(64),
    incarnation integer,
    kafka_partition integer,
    from_offset bigint,
    until_offset bigint,
    "rows" bigint,
    kind varchar(10),
    committed_at varchar(40),
    file varchar(1024)
)
row format serde 'org.openx.data.jsonserde.JsonSerDe'
location 's3://lake/landing/_ledger/';

-- streaming views and their archives
create schema if not exists streaming;

-- records of customer_addresses, incarnation 1 of its topic
create materialized view streaming.customer_addresses_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.CustomerAddresses";

-- where records of customer_addresses_1 go when the view is emptied
create table streaming.customer_addresses_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customer_addresses_1
where 1 = 0;

-- all streamed records of customer_addresses
create or replace view streaming.customer_addresses as
select
    cast('retail.retail.dbo.CustomerAddresses' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customer_addresses_1_archive
union all
select
    cast('retail.retail.dbo.CustomerAddresses' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customer_addresses_1
with no schema binding;

-- records of customers, incarnation 1 of its topic
create materialized view streaming.customers_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Customers";

-- where records of customers_1 go when the view is emptied
create table streaming.customers_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customers_1
where 1 = 0;

-- all streamed records of customers
create or replace view streaming.customers as
select
    cast('retail.retail.dbo.Customers' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customers_1_archive
union all
select
    cast('retail.retail.dbo.Customers' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.customers_1
with no schema binding;

-- records of inventory_movements, incarnation 1 of its topic
create materialized view streaming.inventory_movements_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.InventoryMovements";

-- where records of inventory_movements_1 go when the view is emptied
create table streaming.inventory_movements_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.inventory_movements_1
where 1 = 0;

-- all streamed records of inventory_movements
create or replace view streaming.inventory_movements as
select
    cast('retail.retail.dbo.InventoryMovements' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.inventory_movements_1_archive
union all
select
    cast('retail.retail.dbo.InventoryMovements' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.inventory_movements_1
with no schema binding;

-- records of order_items, incarnation 1 of its topic
create materialized view streaming.order_items_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.OrderItems";

-- where records of order_items_1 go when the view is emptied
create table streaming.order_items_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.order_items_1
where 1 = 0;

-- all streamed records of order_items
create or replace view streaming.order_items as
select
    cast('retail.retail.dbo.OrderItems' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.order_items_1_archive
union all
select
    cast('retail.retail.dbo.OrderItems' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.order_items_1
with no schema binding;

-- records of orders, incarnation 1 of its topic
create materialized view streaming.orders_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Orders";

-- where records of orders_1 go when the view is emptied
create table streaming.orders_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.orders_1
where 1 = 0;

-- all streamed records of orders
create or replace view streaming.orders as
select
    cast('retail.retail.dbo.Orders' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.orders_1_archive
union all
select
    cast('retail.retail.dbo.Orders' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.orders_1
with no schema binding;

-- records of payments, incarnation 1 of its topic
create materialized view streaming.payments_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Payments";

-- where records of payments_1 go when the view is emptied
create table streaming.payments_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.payments_1
where 1 = 0;

-- all streamed records of payments
create or replace view streaming.payments as
select
    cast('retail.retail.dbo.Payments' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.payments_1_archive
union all
select
    cast('retail.retail.dbo.Payments' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.payments_1
with no schema binding;

-- records of product_categories, incarnation 1 of its topic
create materialized view streaming.product_categories_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.ProductCategories";

-- where records of product_categories_1 go when the view is emptied
create table streaming.product_categories_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.product_categories_1
where 1 = 0;

-- all streamed records of product_categories
create or replace view streaming.product_categories as
select
    cast('retail.retail.dbo.ProductCategories' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.product_categories_1_archive
union all
select
    cast('retail.retail.dbo.ProductCategories' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.product_categories_1
with no schema binding;

-- records of products, incarnation 1 of its topic
create materialized view streaming.products_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Products";

-- where records of products_1 go when the view is emptied
create table streaming.products_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.products_1
where 1 = 0;

-- all streamed records of products
create or replace view streaming.products as
select
    cast('retail.retail.dbo.Products' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.products_1_archive
union all
select
    cast('retail.retail.dbo.Products' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.products_1
with no schema binding;

-- records of promotions, incarnation 1 of its topic
create materialized view streaming.promotions_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Promotions";

-- where records of promotions_1 go when the view is emptied
create table streaming.promotions_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.promotions_1
where 1 = 0;

-- all streamed records of promotions
create or replace view streaming.promotions as
select
    cast('retail.retail.dbo.Promotions' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.promotions_1_archive
union all
select
    cast('retail.retail.dbo.Promotions' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.promotions_1
with no schema binding;

-- records of stores, incarnation 1 of its topic
create materialized view streaming.stores_1
backup yes
diststyle even
sortkey (kafka_offset)
auto refresh yes
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
from kafka."retail.retail.dbo.Stores";

-- where records of stores_1 go when the view is emptied
create table streaming.stores_1_archive
diststyle even
sortkey (kafka_offset)
as
select
    kafka_partition,
    kafka_offset,
    kafka_timestamp_type,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.stores_1
where 1 = 0;

-- all streamed records of stores
create or replace view streaming.stores as
select
    cast('retail.retail.dbo.Stores' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.stores_1_archive
union all
select
    cast('retail.retail.dbo.Stores' as varchar(249)) as kafka_topic,
    cast(1 as integer) as _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    kafka_key,
    kafka_value,
    refresh_time,
    payload
from streaming.stores_1
with no schema binding;

-- role loader
create role loader;

-- role transformer
create role transformer;

-- role analyst
create role analyst;

-- dbt builds here
create schema if not exists staging;

-- dbt builds here
create schema if not exists history;

-- dbt builds here
create schema if not exists marts;

-- dbt builds here
create schema if not exists operations;

-- dbt builds here
grant create, usage on schema staging to role transformer;

-- dbt builds here
grant create, usage on schema history to role transformer;

-- dbt builds here
grant create, usage on schema marts to role transformer;

-- dbt builds here
grant create, usage on schema operations to role transformer;

-- loader looks after streams and landing
grant usage on schema kafka to role loader;

-- dbt reads them
grant usage on schema kafka to role transformer;

-- loader looks after streams and landing
grant usage on schema landing to role loader;

-- dbt reads them
grant usage on schema landing to role transformer;

-- loader looks after streams and landing
grant usage on schema streaming to role loader;

-- dbt reads them
grant usage on schema streaming to role transformer;

-- people read the marts
grant usage on schema marts to role analyst;

-- loader looks after streams and landing
grant select on all tables in schema streaming to role loader;

-- dbt reads them
grant select on all tables in schema streaming to role transformer;

-- people read the marts
grant select on all tables in schema marts to role analyst;

-- also what this user builds there later
alter default privileges in schema marts grant select on tables to role analyst;

-- what analyst sees of a varchar(1280)
create masking policy mask_varchar_1280
with (value varchar(1280))
using (cast('***' as varchar(1280)));

-- what analyst sees of a varchar(400)
create masking policy mask_varchar_400
with (value varchar(400))
using (cast('***' as varchar(400)));

-- what analyst sees of a varchar(256)
create masking policy mask_varchar_256
with (value varchar(256))
using (cast('***' as varchar(256)));

-- what analyst sees of a date
create masking policy mask_date
with (value date)
using (cast(null as date));

-- what analyst sees of a varchar(800)
create masking policy mask_varchar_800
with (value varchar(800))
using (cast('***' as varchar(800)));

-- what analyst sees of a varchar(80)
create masking policy mask_varchar_80
with (value varchar(80))
using (cast('***' as varchar(80)));
