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
        from operations.ledger as ledger
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
