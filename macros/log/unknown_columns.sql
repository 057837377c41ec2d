{% macro unknown_columns(table) %}
select
    '{{ table }}' as table_name,
    logged._cdc_unknown_columns as unknown_columns,
    count(*) as record_count,
    min(logged.kafka_timestamp) as first_seen_at,
    max(logged.kafka_timestamp) as last_seen_at
from {{ ref(table ~ '__log').render() }} as logged
where logged._cdc_unknown_columns is not null
group by logged._cdc_unknown_columns
{% endmacro %}
