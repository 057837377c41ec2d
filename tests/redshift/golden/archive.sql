-- no refresh meanwhile
alter materialized view streaming.stores_1 auto refresh no;

-- all rows of stores_1
alter table streaming.stores_1_archive append from streaming.stores_1;

-- refreshes go on
alter materialized view streaming.stores_1 auto refresh yes;

-- records that the log and landing hold
delete from streaming.stores_1_archive
where
    (kafka_partition = 0 and kafka_offset < 42)
    or (kafka_partition = 1 and kafka_offset < 40);
