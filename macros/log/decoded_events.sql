{#-
  CTEs from `records` to `events`: one row a record with the envelope's fields as text.

  op, source_name, snapshot, committed_ms, the connector's position fields, is_utf8, is_json,
  has_row, has_before_image, missing_columns and unknown_columns (comma-separated, null for none), and
  for each column row__<name> and before__<name> (text; null for absent and JSON null alike), with
  row_is_other__<name> and before_is_other__<name> where a varchar holds anything but a string.
-#}
{% macro decoded_events(table, columns) %}
    {{ adapter.dispatch('decoded_events')(table, columns) }}
{% endmacro %}

{% macro duckdb__decoded_events(table, columns) %}
{% set fields = {} %}
{% for column in columns %}
    {% do fields.update({
        column['source_name']: 'JSON' if column['type']['name'] == 'varchar' else 'VARCHAR'
    }) %}
{% endfor %}
{% set position_fields = {
    'postgresql': {'lsn': 'VARCHAR', 'sequence': 'VARCHAR'},
    'sqlserver': {'commit_lsn': 'VARCHAR', 'change_lsn': 'VARCHAR', 'event_serial_no': 'VARCHAR'},
}[source_connector()] %}
{% set envelope = {
    'op': 'VARCHAR',
    'before': fields,
    'after': fields,
    'source': dict(name='VARCHAR', snapshot='VARCHAR', ts_ms='VARCHAR', **position_fields),
    'transaction': {'total_order': 'VARCHAR'},
} %}
{% set names = columns | map(attribute='source_name') | list %}
decoded as (
    select
        records.*,
        try(decode(records.kafka_value)) as value_text
    from records
),

parsed as (
    select
        decoded.*,
        json_valid(decoded.value_text) as is_valid,
        case when json_valid(decoded.value_text)
            then from_json(decoded.value_text, '{{ tojson(envelope) }}')
        end as event
    from decoded
),

named as (
    select
        parsed.*,
        json_keys(
            case when parsed.is_valid then parsed.value_text end,
            case when parsed.event.op = 'd' then '$.before' else '$.after' end
        ) as row_keys
    from parsed
),

events as (
    select
        named.kafka_topic,
        named._cdc_incarnation,
        named.kafka_partition,
        named.kafka_offset,
        named.kafka_timestamp,
        named.kafka_key,
        named.kafka_value,
        named.value_text is not null as is_utf8,
        coalesce(named.is_valid, false)
        and (named.row_keys is null or len(named.row_keys) = len(list_distinct(named.row_keys)))
            as is_json,
        named.event.op,
        named.event.source.name as source_name,
        named.event.source.snapshot,
        named.event.source.ts_ms as committed_ms,
        {%- for field in position_fields %}
        named.event.source.{{ field }},
        {%- endfor %}
        named.event.transaction.total_order,
        named.event.source is not null as has_source,
        coalesce(len(named.row_keys) > 0, false) as has_row,
        named.event.before is not null as has_before_image,
        case when named.row_keys <> {{ names }}
            then nullif(array_to_string(list_filter(
                {{ names }}, lambda name: not list_contains(named.row_keys, name)
            ), ','), '')
        end as missing_columns,
        case when named.row_keys <> {{ names }}
            then nullif(array_to_string(list_filter(
                named.row_keys, lambda name: not list_contains({{ names }}, name)
            ), ','), '')
        end as unknown_columns
        {%- for column in columns %}
        {%- set row = "case when named.event.op = 'd' then named.event.before." ~ column['source_name']
            ~ " else named.event.after." ~ column['source_name'] ~ " end" %}
        {%- set before = "named.event.before." ~ column['source_name'] %}
        {%- if column['type']['name'] == 'varchar' %},
        {{ _duckdb_json_string(row) }} as row__{{ column['name'] }},
        not starts_with(cast({{ row }} as varchar), '"') as row_is_other__{{ column['name'] }},
        {{ _duckdb_json_string(before) }} as before__{{ column['name'] }},
        not starts_with(cast({{ before }} as varchar), '"') as before_is_other__{{ column['name'] }}
        {%- else %},
        {{ row }} as row__{{ column['name'] }},
        {{ before }} as before__{{ column['name'] }}
        {%- endif %}
        {%- endfor %}
    from named
)
{% endmacro %}

{#- The string in a JSON value; the value is parsed again only where it holds an escape. -#}
{% macro _duckdb_json_string(json) -%}
    case
        when not starts_with(cast({{ json }} as varchar), '"') then null
        when contains(cast({{ json }} as varchar), '\') then {{ json }} ->> '$'
        else substr(cast({{ json }} as varchar), 2, length(cast({{ json }} as varchar)) - 2)
    end
{%- endmacro %}
