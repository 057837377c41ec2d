{#-
  The landed notifications of Debezium, a row each record that is one: notification_id, notification_type, aggregate_type,
  connector_name, scanned_collection, scan_status, row_count, notified_at and Kafka's coordinates. What is no
  JSON, or lacks identity, type or connector, is none.
-#}
{% macro landed_notifications() %}
    select
        fields.notification_id,
        fields.notification_type,
        fields.aggregate_type,
        fields.connector_name,
        fields.scanned_collection,
        fields.scan_status,
        case when {{ matches('fields.row_count_text', '[0-9]{1,18}') }}
            then cast(fields.row_count_text as bigint)
        end as row_count,
        case when {{ matches('fields.notified_ms', '[0-9]{1,14}') }}
            then {{ from_epoch_ms('fields.notified_ms') }}
        end as notified_at,
        fields._cdc_incarnation,
        fields.kafka_offset,
        fields.kafka_timestamp
    from (
        select
            {%- for name, path in _notification_fields().items() %}
            {{ adapter.dispatch('_notification_field')(path) }} as {{ name }},
            {%- endfor %}
            decoded._cdc_incarnation,
            decoded.kafka_offset,
            decoded.kafka_timestamp
        from ({{ adapter.dispatch('_notification_documents')() }}) as decoded
    ) as fields
    where
        fields.notification_id is not null
        and fields.notification_type is not null
        and fields.connector_name is not null
{% endmacro %}

{% macro _notification_fields() %}
    {% do return({
        'notification_id': 'id', 'notification_type': 'type', 'aggregate_type': 'aggregate_type',
        'notified_ms': 'timestamp', 'connector_name': 'additional_data.connector_name',
        'scanned_collection': 'additional_data.scanned_collection', 'scan_status': 'additional_data.status',
        'row_count_text': 'additional_data.total_rows_scanned',
    }) %}
{% endmacro %}

{#- SQL: the text that a notification has at a path of its document. -#}
{% macro duckdb___notification_field(path) -%} json_extract_string(decoded.document, '$.{{ path }}') {%- endmacro %}
{% macro spark___notification_field(path) -%} get_json_object(decoded.document, '$.{{ path }}') {%- endmacro %}
{% macro redshift___notification_field(path) -%}
    {{ _redshift_scalar('decoded.document."' ~ path | replace('.', '"."') ~ '"') }}
{%- endmacro %}

{#- SQL: each record's document, null where it is none. Where landing is, is asked when the view is built, as for the logs: dbt may be given a manifest. -#}
{% macro duckdb___notification_documents() %}
    {% do source('debezium', 'debezium_notification') %}
    select
        case when json_valid(try(decode(landed.kafka_value)))
            then decode(landed.kafka_value)
        end as document,
        cast(landed.incarnation as integer) as _cdc_incarnation,
        landed.kafka_offset,
        landed.kafka_timestamp
    from read_parquet(
        '{{ landing_location() }}{{ landed_folder('debezium_notification') }}*.parquet',
        hive_partitioning = true, hive_types_autocast = false
    ) as landed
{% endmacro %}

{% macro spark___notification_documents() %}
    {% do source('debezium', 'debezium_notification') %}
    select
        try_validate_utf8(cast(landed.kafka_value as string)) as document,
        cast(regexp_extract(landed._metadata.file_path, 'incarnation=([0-9]+)/', 1) as int) as _cdc_incarnation,
        landed.kafka_offset,
        cast(landed.kafka_timestamp as timestamp) as kafka_timestamp
    from parquet.`{{ landing_location() }}{{ landed_folder('debezium_notification') }}*.parquet` as landed
{% endmacro %}

{% macro redshift___notification_documents() %}
    select
        case when can_json_parse(landed.kafka_value) then json_parse(landed.kafka_value) end as document,
        landed.incarnation as _cdc_incarnation,
        landed.kafka_offset,
        landed.kafka_timestamp
    from {{ source('debezium', 'debezium_notification').render() }} as landed
{% endmacro %}
