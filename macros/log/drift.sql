{#-
  Of the columns that the source's rows have and the declaration has not, and the other way round: what
  stands as long as the newest record read under the present declaration shows it.
-#}
{% macro drift(table) %}
select
    found.table_name,
    found.kind,
    found.column_names,
    found.record_count,
    found.first_seen_at,
    found.last_seen_at,
    found.is_current,
    found.finding,
    accepted.accepted_at,
    accepted.accepted_by,
    accepted.reason as accepted_because
from (
    select
        '{{ table }}' as table_name,
        kinds.kind,
        case when kinds.kind = 'unknown' then shapes.unknown else shapes.missing end as column_names,
        sum(shapes.record_count) as record_count,
        min(shapes.first_seen_at) as first_seen_at,
        max(shapes.last_seen_at) as last_seen_at,
        max(case when shapes.last_read_at = shapes.newest_at then 1 else 0 end) = 1 as is_current,
        cast(left(kinds.kind || ':' || case when kinds.kind = 'unknown' then shapes.unknown else shapes.missing end, 250) as varchar(1000)) as finding
    from (
        select
            logged._cdc_unknown_columns as unknown,
            logged._cdc_missing_columns as missing,
            count(*) as record_count,
            min(logged.kafka_timestamp) as first_seen_at,
            max(logged.kafka_timestamp) as last_seen_at,
            max(case when logged._cdc_declaration = '{{ declaration_hash(table) if execute }}' then logged.kafka_timestamp end) as last_read_at,
            max(max(logged.kafka_timestamp)) over () as newest_at
        from {{ ref(table ~ '__log').render() }} as logged
        where logged._cdc_status = 'accepted'
        group by logged._cdc_unknown_columns, logged._cdc_missing_columns
    ) as shapes
    cross join (
        select 'unknown' as kind
        union all
        select 'missing' as kind
    ) as kinds
    where case when kinds.kind = 'unknown' then shapes.unknown else shapes.missing end is not null
    group by 1, 2, 3
) as found
left join {{ cdc_history.operations_relation('acceptances') }} as accepted
    on accepted.relation = '{{ table }}__log' and found.finding = accepted.finding
{% endmacro %}
