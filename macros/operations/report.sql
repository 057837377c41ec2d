{#- What the figures of the operations are made of, a table each; the views are written by `lakehouse declarations generate`. -#}

{#- The records of a table's log by hour and what became of them. -#}
{% macro record_hours(table) %}
select
    '{{ table }}' as table_name,
    date_trunc('hour', logged.kafka_timestamp) as recorded_hour,
    count(*) as record_count,
    cast(sum(case when logged._cdc_status = 'accepted' then 1 else 0 end) as bigint) as accepted_count,
    cast(sum(case when logged._cdc_status = 'tombstone' then 1 else 0 end) as bigint) as tombstone_count,
    cast(sum(case when logged._cdc_status = 'rejected' then 1 else 0 end) as bigint) as rejected_count,
    max(logged.kafka_timestamp) as newest_record_at,
    max(logged._cdc_run) as newest_run
from {{ ref(table ~ '__log').render() }} as logged
group by 1, 2
{% endmacro %}

{#-
  The versions of a history by day. A version is late where the one that follows it was read by an earlier run;
  how late, tells the beginning of the run that read it. Without a table the view has no rows.
-#}
{% macro version_days(table=none, key=[]) %}
{% if not table %}
select
    '' as table_name,
    current_date as version_date,
    0 as opened_count,
    0 as deleted_count,
    0 as closed_count,
    0 as late_count,
    0 as most_late_seconds
where false
{% else %}
{% set late = 'versions._cdc_run > versions.next_run' %}
select
    '{{ table }}' as table_name,
    days.version_date,
    cast(sum(days.opened_count) as bigint) as opened_count,
    cast(sum(days.deleted_count) as bigint) as deleted_count,
    cast(sum(days.closed_count) as bigint) as closed_count,
    cast(sum(days.late_count) as bigint) as late_count,
    cast(max(days.late_seconds) as bigint) as most_late_seconds
from (
    select
        cast(versions._cdc_committed_at as date) as version_date,
        1 as opened_count,
        case when versions.is_deleted then 1 else 0 end as deleted_count,
        0 as closed_count,
        case when {{ late }} then 1 else 0 end as late_count,
        case when {{ late }} then {{ dbt.datediff('versions._cdc_committed_at', 'runs.started_at', 'second') }} end as late_seconds
    from (
        select
            history._cdc_committed_at,
            history.is_deleted,
            history._cdc_run,
            lead(history._cdc_run) over (
                partition by {% for column in key %}history.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
                order by history._cdc_order
            ) as next_run
        from {{ ref(table ~ '_history').render() }} as history
    ) as versions
    left join {{ cdc_history.operations_relation('runs') }} as runs
        on versions._cdc_run = runs.run_number
    union all
    select
        cast(history.dbt_valid_to as date) as version_date,
        0 as opened_count,
        0 as deleted_count,
        1 as closed_count,
        0 as late_count,
        cast(null as bigint) as late_seconds
    from {{ ref(table ~ '_history').render() }} as history
    where history.dbt_valid_to is not null
) as days
where days.version_date is not null
group by 1, 2
{% endif %}
{% endmacro %}

{#- How far each table has come, and how old its newest record may be. -#}
{% macro table_freshness() %}
select
    declared.table_name,
    declared.warn_after_seconds,
    declared.error_after_seconds,
    logged.record_count,
    logged.accepted_count,
    logged.tombstone_count,
    logged.rejected_count,
    logged.newest_record_at,
    logged.newest_run,
    runs.finished_at as built_at,
    landed.committed_at as landed_at,
    coalesce(landed.landed_count, 0) as landed_count,
    coalesce(landed.lost_offset_count, 0) as lost_offset_count
from (
    {%- for table, source in declared_sources().items() %}
    {%- set freshness = source.freshness or {} %}
    select
        '{{ table }}' as table_name,
        {{ _seconds_of(freshness.get('warn_after')) }} as warn_after_seconds,
        {{ _seconds_of(freshness.get('error_after')) }} as error_after_seconds
    {{ 'union all' if not loop.last }}
    {%- else %}
    select '' as table_name, 0 as warn_after_seconds, 0 as error_after_seconds where false
    {%- endfor %}
) as declared
left join (
    select
        hours.table_name,
        {%- for count in ['record_count', 'accepted_count', 'tombstone_count', 'rejected_count'] %}
        cast(sum(hours.{{ count }}) as bigint) as {{ count }},
        {%- endfor %}
        max(hours.newest_record_at) as newest_record_at,
        max(hours.newest_run) as newest_run
    from {{ ref('record_hours').render() }} as hours
    group by hours.table_name
) as logged
    on declared.table_name = logged.table_name
left join (
    select
        ledger.table_name,
        max(cast(left(ledger.committed_at, 19) as timestamp)) as committed_at,
        cast(sum(ledger.row_count) as bigint) as landed_count,
        cast(sum(case when ledger.kind = 'lost' then ledger.until_offset - ledger.from_offset else 0 end) as bigint) as lost_offset_count
    from {{ cdc_history.operations_relation('ledger') }} as ledger
    group by ledger.table_name
) as landed
    on declared.table_name = landed.table_name
left join {{ cdc_history.operations_relation('runs') }} as runs
    on logged.newest_run = runs.run_number
{% endmacro %}

{% macro _seconds_of(threshold) %}
    {%- if threshold and threshold.get('count') -%}
        cast({{ threshold['count'] * {'minute': 60, 'hour': 3600, 'day': 86400}[threshold['period'] | string] }} as bigint)
    {%- else -%}
        cast(null as bigint)
    {%- endif -%}
{% endmacro %}

{#- What on-run-end keeps of each run, with the run. -#}
{% macro node_results() %}
select
    node_runs.run_number,
    node_runs.ran_on,
    node_runs.is_day,
    runs.started_at,
    runs.finished_at,
    runs.status as run_status,
    node_runs.resource_type,
    node_runs.node,
    node_runs.status,
    node_runs.node_count,
    node_runs.seconds,
    node_runs.row_count
from {{ cdc_history.operations_relation('node_runs') }} as node_runs
left join {{ cdc_history.operations_relation('runs') }} as runs
    on node_runs.run_number = runs.run_number
{% endmacro %}
