{#-
  Columns that the source's rows have and the declaration has not (`unknown`), and the other way round
  (`missing`): current as long as the newest record, read under the present declaration, shows it. A
  value that stands for another one (`replaced`, docs/types.md) is as declared, and only listed. Each tenant's
  records are looked at by themselves, and its findings begin with its name.
-#}
{% macro drift(table) %}
{% set names %}
        case kinds.kind when 'unknown' then shapes.unknown when 'missing' then shapes.missing else shapes.replaced end
{%- endset %}
{%- set of_tenant = 'logged.tenant' if execute and record_origins(table)['topics'] else none %}
{% set finding = "left(" ~ ("found.tenant || '/' || " if of_tenant) ~ "found.kind || ':' || found.column_names, 250)" %}
select
    found.table_name,
    found.tenant,
    found.kind,
    found.column_names,
    found.record_count,
    found.first_seen_at,
    found.last_seen_at,
    found.is_current,
    {{ finding }} as finding,
    accepted.accepted_at,
    accepted.accepted_by,
    accepted.reason as accepted_because
from (
    select
        '{{ table }}' as table_name,
        {{ 'shapes.tenant' if of_tenant else 'cast(null as varchar(63)) as tenant' }},
        kinds.kind,
        {{ names }} as column_names,
        sum(shapes.record_count) as record_count,
        min(shapes.first_seen_at) as first_seen_at,
        max(shapes.last_seen_at) as last_seen_at,
        max(case when kinds.kind <> 'replaced' and shapes.last_read_at = shapes.newest_at then 1 else 0 end) = 1 as is_current
    from (
        select
            {{ of_tenant ~ ',' if of_tenant }}
            logged._cdc_unknown_columns as unknown,
            logged._cdc_missing_columns as missing,
            trim(',' from logged._cdc_replaced_columns) as replaced,
            count(*) as record_count,
            min(logged.kafka_timestamp) as first_seen_at,
            max(logged.kafka_timestamp) as last_seen_at,
            max(case when logged._cdc_declaration = present.declaration then logged.kafka_timestamp end) as last_read_at,
            max(max(logged.kafka_timestamp)) over ({{ 'partition by ' ~ of_tenant if of_tenant }}) as newest_at
        from {{ ref(table ~ '__log').render() }} as logged
        left join (
            select
                known.declaration,
                row_number() over (order by known.accepted_at desc) as age
            from {{ cdc_history.operations_relation('declarations') }} as known
            where known.table_name = '{{ table }}'
        ) as present
            on present.age = 1
        where logged._cdc_status = 'accepted'
        group by 1, 2, 3{{ ', 4' if of_tenant }}
    ) as shapes
    cross join (
        select 'unknown' as kind
        union all
        select 'missing' as kind
        union all
        select 'replaced' as kind
    ) as kinds
    where {{ names }} is not null
    group by 1, 2, 3, 4
) as found
left join {{ cdc_history.operations_relation('acceptances') }} as accepted
    on accepted.relation = '{{ table }}__log' and {{ finding }} = accepted.finding
{% endmacro %}
