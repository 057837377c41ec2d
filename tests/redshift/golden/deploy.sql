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

-- landed records of debezium_notification
create external table landing.debezium_notification (
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
location 's3://lake/landing/debezium_notification/'
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
    refresh_time
from kafka."retail.retail.dbo.Stores";

-- where records of stores_1 go when the view is emptied
create table streaming.stores_1_archive
diststyle even
sortkey (kafka_offset)
as
select *
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
    refresh_time
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
    refresh_time
from streaming.stores_1
with no schema binding;

-- role loader
create role loader;

-- role transformer
create role transformer;

-- role analyst
create role analyst;

-- a user that logs in with its IAM role
create user "IAMR:retail-prod-dbt" password disable;

-- who is transformer
grant role transformer to "IAMR:retail-prod-dbt";

-- a user that logs in with its IAM role
create user "IAMR:retail-prod-operations" password disable;

-- who is loader
grant role loader to "IAMR:retail-prod-operations";

-- dbt builds here
create schema if not exists staging;

-- dbt builds here
create schema if not exists history;

-- dbt builds here
create schema if not exists marts;

-- dbt builds here
create schema if not exists operations;

-- each run asks for its schemas, a rebuild for schemas of its own
grant create on database dev to role transformer;

-- dbt builds here
grant create, usage on schema staging to role transformer;

-- dbt builds here
grant create, usage on schema history to role transformer;

-- dbt builds here
grant create, usage on schema marts to role transformer;

-- dbt builds here
grant create, usage on schema operations to role transformer;

-- loader looks into streams and landing
grant usage on schema landing to role loader;

-- dbt reads them
grant usage on schema landing to role transformer;

-- loader looks into streams and landing
grant usage on schema streaming to role loader;

-- dbt reads them
grant usage on schema streaming to role transformer;

-- people read the marts
grant usage on schema marts to role analyst;

-- each build adds partitions, which the schema's owner may
alter schema landing owner to "IAMR:retail-prod-dbt";

-- loader looks into streams and landing
grant select on all tables in schema streaming to role loader;

-- dbt reads them
grant select on all tables in schema streaming to role transformer;
