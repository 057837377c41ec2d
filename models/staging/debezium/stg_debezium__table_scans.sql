with

notifications as (
    {{ landed_notifications() }}
),

-- redelivered after a crash: what was said twice was said once
delivered as (
    select
        notifications.*,
        row_number() over (
            partition by notifications.notification_id
            order by notifications._cdc_incarnation, notifications.kafka_offset
        ) as delivery_number
    from notifications
    where notifications.aggregate_type = 'Initial Snapshot'
),

-- a snapshot begins with STARTED; what its connector says from then on belongs to it
numbered as (
    select
        delivered.*,
        sum(case when delivered.notification_type = 'STARTED' then 1 else 0 end) over (
            partition by delivered.connector_name
            order by delivered._cdc_incarnation, delivered.kafka_offset
            rows between unbounded preceding and current row
        ) as snapshot_number
    from delivered
    where delivered.delivery_number = 1
),

snapshots as (
    select
        numbered.connector_name,
        numbered.snapshot_number,
        max(case when numbered.notification_type = 'STARTED' then numbered.notification_id end)
            as snapshot_id,
        min(case when numbered.notification_type = 'STARTED' then numbered.notified_at end)
            as started_at,
        min(case when numbered.notification_type = 'STARTED' then numbered.kafka_timestamp end)
            as start_received_at,
        max(case when numbered.notification_type = 'COMPLETED' then numbered.notified_at end)
            as completed_at,
        max(case when numbered.notification_type = 'COMPLETED' then numbered.kafka_timestamp end)
            as completion_received_at,
        sum(case when numbered.notification_type = 'COMPLETED' then 1 else 0 end)
            as completion_count,
        sum(case when numbered.notification_type like 'TABLE_CHUNK_%' then 1 else 0 end)
            as chunk_count
    from numbered
    group by numbered.connector_name, numbered.snapshot_number
)

select
    snapshots.snapshot_id,
    numbered.notification_id as scan_id,
    snapshots.connector_name as source_name,
    -- Debezium names a table's topic so: prefix, then the table with its database and schema
    snapshots.connector_name || '.' || {{ in_topic('numbered.scanned_collection') }} as kafka_topic,
    numbered.scan_status,
    numbered.row_count,
    snapshots.started_at,
    snapshots.start_received_at,
    numbered.notified_at as scanned_at,
    snapshots.completed_at,
    snapshots.completion_received_at,
    snapshots.completion_count,
    snapshots.chunk_count
from numbered
inner join snapshots
    on
        numbered.connector_name = snapshots.connector_name
        and numbered.snapshot_number = snapshots.snapshot_number
where numbered.notification_type = 'TABLE_SCAN_COMPLETED' and snapshots.snapshot_id is not null
