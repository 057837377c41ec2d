{% macro accepted_changes() %}
{%- set table = declared_table() %}
{%- set logged = logged_columns(table) %}
{#- the tenant has no name in the source -#}
{%- set declared = logged | selectattr('source_names') | list %}
select
    {%- for column in logged %}
    {{ column['name'] }},
    {%- endfor %}
    {%- for column in logged %}
    _before_{{ column['name'] }},
    {%- endfor %}
    {%- for column in declared if folds(column) %}
    {%- for image in ['', '_before_'] %}
    cast({{ case_folded(image ~ column['name']) }} as {{ sql_type(column['type']) }}) as {{ image }}_folded_{{ column['name'] }},
    {%- endfor %}
    {%- endfor %}
    _cdc_op,
    _cdc_position,
    {%- if source_connector() == 'sqlserver' %}
    case when _cdc_op <> 'r' and not {{ is_absence() }} then {{ commit_of_position('_cdc_position') }} end as _cdc_commit,
    {%- endif %}
    _cdc_commit_known,
    {{ is_absence() }} as _cdc_is_absence,
    _cdc_committed_at,
    _cdc_not_carried,
    _cdc_before_not_carried,
    _cdc_row_hash,
    case when not {{ is_absence() }} then _cdc_before_hash end as _cdc_before_hash,
    {{ _missing_by_declared_name(declared) }} as _cdc_missing_columns,
    _cdc_declaration,
    kafka_topic,
    _cdc_incarnation,
    kafka_partition,
    kafka_offset,
    kafka_timestamp,
    _cdc_run
{%- if declared | selectattr('is_key') | list or not execute %}
from {{ ref(table ~ '__log').render() }}
where _cdc_status = 'accepted'
{%- else %}
-- without a key a change that was delivered again is one whose place and values are the same; a read, whose
-- place others have, is the same only if it is the same record of Kafka's, landed again
from (
    select
        accepted.*,
        row_number() over (
            partition by
                accepted._cdc_position, accepted._cdc_op, accepted._cdc_row_hash, accepted._cdc_before_hash,
                case when accepted._cdc_op = 'r' then accepted.kafka_partition end,
                case when accepted._cdc_op = 'r' then accepted.kafka_offset end
            order by accepted._cdc_run, accepted._cdc_incarnation, accepted.kafka_partition, accepted.kafka_offset
        ) as _delivery
    from {{ ref(table ~ '__log').render() }} as accepted
    where accepted._cdc_status = 'accepted'
) as deliveries
where _delivery = 1
{%- endif %}
{% endmacro %}

{#- On Spark that model is ephemeral. Letters that are folded follow from what the log has. -#}
{% macro spark__ephemeral_columns(relation) %}
    {% if not relation.is_cte %}{% do return(none) %}{% endif %}
    {% set log = relation.identifier | replace('__dbt__cte__', '') | replace('__stg_' ~ var('source') ~ '__', '__') ~ '__log' %}
    {% set logged = api.Relation.create(schema=target.schema, identifier=log) %}
    {% do return(adapter.get_columns_in_relation(logged) | map(attribute='name') | list + ['_cdc_is_absence']) %}
{% endmacro %}

{#- SQL: the columns that the record's image lacks by their declared names; the log has the source's. -#}
{% macro _missing_by_declared_name(columns) %}
    {%- set conditions = {} %}
    {%- for column in columns %}
    {%- do conditions.update({
        column['name']: is_listed(column['source_names'][0], "',' || _cdc_missing_columns || ','")
    }) %}
    {%- endfor %}
    trim(',' from {{ cdc_history.names_where(conditions) }})
{% endmacro %}

{% macro quarantined(table) %}
select
    '{{ table }}' as table_name,
    rejected.kafka_topic,
    rejected._cdc_incarnation,
    rejected.kafka_partition,
    rejected.kafka_offset,
    rejected.kafka_timestamp,
    rejected._cdc_reject_reason,
    rejected._cdc_unknown_columns,
    rejected.kafka_key,
    rejected.kafka_value,
    rejected._cdc_declaration,
    accepted.accepted_at,
    accepted.accepted_by,
    accepted.reason as accepted_because,
    rejected._cdc_run
from {{ ref(table ~ '__log').render() }} as rejected
left join {{ ref(table ~ '__log').render() }} as decided
    on
        rejected._cdc_incarnation = decided._cdc_incarnation
        and rejected.kafka_partition = decided.kafka_partition
        and rejected.kafka_offset = decided.kafka_offset
        and rejected._cdc_run < decided._cdc_run
left join {{ cdc_history.operations_relation('acceptances') }} as accepted
    on accepted.relation = '{{ table }}__log' and accepted.finding = {{ record_coordinates('rejected') }}
where rejected._cdc_status = 'rejected' and decided.kafka_offset is null
{% endmacro %}

{#-
  Versions begin at the greatest commit time so far, so one change of the year 2099 hides its row's later
  versions until then. Order is not concerned; somebody has to know.
-#}
{% macro dated_ahead(table) %}
select
    '{{ table }}' as table_name,
    logged.kafka_topic,
    logged._cdc_incarnation,
    logged.kafka_partition,
    logged.kafka_offset,
    logged.kafka_timestamp,
    logged._cdc_committed_at,
    accepted.accepted_at,
    accepted.accepted_by,
    accepted.reason as accepted_because,
    logged._cdc_run
from {{ ref(table ~ '__log').render() }} as logged
left join {{ cdc_history.operations_relation('acceptances') }} as accepted
    on accepted.relation = '{{ table }}__log' and accepted.finding = {{ record_coordinates('logged') }}
where logged._cdc_committed_at > logged.kafka_timestamp + interval '{{ var("commit_ahead_minutes") }} minutes'
{% endmacro %}
