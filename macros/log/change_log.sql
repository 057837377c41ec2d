{#-
  The log of the table that the model is named after: every record up to the log's own maximum offset per incarnation and
  partition, once, as accepted, tombstone or rejected, with its coordinates. Append-only; the data
  and the watermark move in one statement. Records that an earlier declaration rejected are read
  again from the log itself and appended with this run's number if the present one accepts them.
-#}
{% macro change_log() %}
{% set table = declared_table() %}
{#- While dbt parses, there is no declaration yet: only the dependency counts. -#}
{% do source(var('source'), table) %}
{% if execute and flags.WHICH == 'show' %}
    {% do exceptions.raise_compiler_error(
        "dbt show cannot preview " ~ this.identifier ~ ": which records come next is chosen when it is built. For the"
        ~ " rows that it has: dbt show --inline \"select * from {{ ref('" ~ this.identifier ~ "') }}\"."
    ) %}
{% endif %}
{% if execute %}{{ _change_log_sql(table) }}{% endif %}
{% endmacro %}

{% macro _change_log_sql(table) %}
{% set logged, origins = logged_columns(table), record_origins(table) %}
with
{% for ctes in adapter.dispatch('steps_in_query')(table, logged, origins) %}
{{ ctes }},
{% endfor %}
{{ _decided(table, logged, origins) }}
select * from decided
where {{ side_condition(table) }}
{% endmacro %}

{#-
  Before the last step, by name: each is CTEs of which the last has the step's name, and the next step
  names each of its columns several times.
-#}
{% macro _log_steps(table, logged, origins) %}
{% set columns = _of_the_source(logged) %}
{% set steps = {} %}
{% for name, ctes in decoded_events(table, columns).items() %}
    {% do steps.update({name: ctes if steps else _records(table) ~ ',\n' ~ ctes}) %}
{% endfor %}
{% do steps.update({'described': _described(table, columns, origins), 'judged': _judged(table, columns)}) %}
{% do return(steps) %}
{% endmacro %}

{#-
  SQL to select from: the step `name` of the table's log. DuckDB keeps every step of a query. Redshift's
  planner puts the expressions of a subquery, or of a CTE, in the place of each name that stands for them,
  which grows with every step: there a step is a temporary table of the log's transaction.
-#}
{% macro log_step(table, name) %}{{ return(adapter.dispatch('log_step')(table, name)) }}{% endmacro %}
{% macro duckdb__log_step(table, name) %}{{ return(name) }}{% endmacro %}
{% macro spark__log_step(table, name) %}{{ return(name) }}{% endmacro %}
{% macro redshift__log_step(table, name) -%} {{ step_relation(table, name) }} as {{ name }} {%- endmacro %}

{% macro step_relation(table, name) -%} {{ table }}__{{ name }} {%- endmacro %}

{% macro duckdb__steps_in_query(table, logged, origins) %}{{ return(_log_steps(table, logged, origins).values()) }}{% endmacro %}
{% macro default__steps_in_query(table, logged, origins) %}{{ return([]) }}{% endmacro %}

{#- Pre-hook of a log, behind the choice of what it reads. A step's table goes when the next one is there. -#}
{% macro store_log_steps(table) %}{% if execute %}{{ adapter.dispatch('store_log_steps')(table) }}{% endif %}{% endmacro %}
{% macro default__store_log_steps(table) %}{% endmacro %}

{% macro redshift__store_log_steps(table) %}
    {% for name, ctes in _log_steps(table, logged_columns(table), record_origins(table)).items() %}
create temporary table {{ step_relation(table, name) }} as
with
{{ ctes }}
select * from {{ name }};
drop table {{ step_relation(table, loop.previtem[0] if loop.previtem else 'ranges') }};
    {% endfor %}
{% endmacro %}

{#- Spark would write a step out wherever it is named: the log itself is one append of what the last table gives. -#}
{% macro spark__store_log_steps(table) %}
    {% if cdc_history.invocation_writes() %}
        {% for name, ctes in _log_steps(table, logged_columns(table), record_origins(table)).items() %}
            {% do cdc_history.keep_step(name, 'with ' ~ ctes ~ ' select * from ' ~ name) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{#- The tenant has no name in the source. -#}
{% macro _of_the_source(logged) %}{% do return(logged | selectattr('source_names') | list) %}{% endmacro %}

{% macro _records(table) %}
landed as (
    {{ landed_records(table) }}
),

{% if is_incremental() %}
rejected_before as (
    select
        rejected.kafka_topic,
        rejected._cdc_incarnation,
        rejected.kafka_partition,
        rejected.kafka_offset,
        rejected.kafka_timestamp,
        rejected.kafka_key,
        rejected.kafka_value
    from {{ this }} as rejected
    left join {{ this }} as decided
        on
            rejected._cdc_incarnation = decided._cdc_incarnation
            and rejected.kafka_partition = decided.kafka_partition
            and rejected.kafka_offset = decided.kafka_offset
            and (
                decided._cdc_status <> 'rejected'
                or decided._cdc_declaration = '{{ declaration_hash(table) }}'
            )
    where
        rejected._cdc_status = 'rejected'
        and rejected._cdc_declaration <> '{{ declaration_hash(table) }}'
        and decided.kafka_offset is null
),
{% endif %}

records as (
    select * from landed
    {#- --empty limits sources and refs, and a stream on Redshift is neither #}
    {%- if flags.EMPTY %}
    where 1 = 0
    {%- elif is_incremental() %}
    union all
    select * from rejected_before
    {% endif %}
)
{% endmacro %}

{% macro _described(table, columns, origins) %}
-- text of the row itself: `before` for a delete, `after` for every other operation
rows_as_text as (
    select
        events.*,
        {{ position_expression('events') }} as change_position,
        {{ commit_is_known('events') }} as commit_is_known,
        {{ epoch_expression('events', origins) }} as source_epoch,
        {%- if origins['topics'] %}
        {{ tenant_expression('events', origins) }} as source_tenant,
        {%- endif %}
        {{ names_another_key('events', columns) }} as names_another_key
        {%- for column in columns %}
        {%- for image in ['row', 'before'] %},
        {{ could_be_value('events', image, column) }} as {{ image }}_fits__{{ column['name'] }}
        {%- endfor %}
        {%- endfor %}
    from {{ log_step(table, 'events') }}
),

with_gaps as (
    select
        rows_as_text.*,
        {{ row_lacks('rows_as_text', table, columns) }} as row_lacks
    from rows_as_text
),

described as (
    select
        with_gaps.*,
        {{ before_lacks('with_gaps', table, columns) }} as before_lacks
    from with_gaps
)
{% endmacro %}

{% macro _judged(table, columns) %}
judged as (
    select
        described.*,
        {{ reject_reason('described', columns) }} as reject_reason,
        {{ before_is_known('described', columns) }} as has_before
    from {{ log_step(table, 'described') }}
)
{% endmacro %}

{#-
  Each column has its declared type here, whatever an engine makes of a CASE: Redshift gives a text the width of
  the longest literal, and a longer one in a later release would have the column written anew.
-#}
{% macro _decided(table, logged, origins) %}
{% set columns = _of_the_source(logged) %}
{% set bytes = [2] %}
{% for column in columns %}
    {%- for name in [column['name'], column['source_names'][0]] %}{% do bytes.append(name.encode() | length + 1) %}{% endfor %}
{% endfor %}
{% set names_type = 'varchar(' ~ [1000, 4000, 16000, 65535] | select('ge', [bytes | sum, 65535] | min) | first ~ ')' %}
-- only the last step names columns as declared: until then they stand beside others
typed as (
    select
        judged.*
        {%- if origins['topics'] %},
        cast(judged.source_tenant as varchar(63)) as _row_tenant,
        cast(case when judged.reject_reason is null and judged.has_before then judged.source_tenant end as varchar(63))
            as _before_tenant
        {%- endif %}
        {%- for column in columns %}
        {%- for image, name in [('row', '_row_' ~ column['name']), ('before', '_before_' ~ column['name'])] %},
        case
            when judged.reject_reason is not null
                or {{ 'judged.kafka_value is null' if image == 'row' else 'not judged.has_before' }}
                then null
            {%- if column['type']['on_invalid'] == 'null' %}
            when not judged.{{ image }}_fits__{{ column['name'] }} then null
            {%- elif not column['is_key'] %}
            -- what is not carried need not be a value
            when judged.{{ image }}_lacks is not null and not judged.{{ image }}_fits__{{ column['name'] }}
                then {{ 'null' if column['nullable'] else filler(column['type']) }}
            {%- endif %}
            else {{ typed_value('judged.' ~ image ~ '__' ~ column['name'], column['type']) }}
        end as {{ name }}
        {%- endfor %}
        {%- endfor %}
    from {{ log_step(table, 'judged') }}
),

decided as (
    select
        {%- for column in logged %}
        {{ _as_declared('_row_' ~ column['name'], column) }} as {{ column['name'] }},
        {%- endfor %}
        {%- for column in logged %}
        {{ _as_declared('_before_' ~ column['name'], column) }} as _before_{{ column['name'] }},
        {%- endfor %}
        cast(case when reject_reason is null then op end as varchar(1)) as _cdc_op,
        cast(case when reject_reason is null then source_epoch || ':' || change_position end as varchar(67))
            as _cdc_position,
        case when reject_reason is null then commit_is_known end as _cdc_commit_known,
        case when reject_reason is null then {{ from_epoch_ms('committed_ms') }} end as _cdc_committed_at,
        cast(case when reject_reason is null and kafka_value is not null
            then {{ cdc_history.row_hash(logged, prefix='_row_') }}
        end as varchar(32)) as _cdc_row_hash,
        cast(case when reject_reason is null and has_before
            then {{ cdc_history.row_hash(logged, prefix='_before_') }}
        end as varchar(32)) as _cdc_before_hash,
        cast(case when reject_reason is null then row_lacks end as {{ names_type }}) as _cdc_not_carried,
        cast(case when reject_reason is null and has_before then before_lacks end as {{ names_type }})
            as _cdc_before_not_carried,
        cast(case when reject_reason is null then trim(',' from row_missing) end as {{ names_type }}) as _cdc_missing_columns,
        cast(case when reject_reason is null or reject_reason like 'missing_column:%' then unknown_columns end as varchar(65535))
            as _cdc_unknown_columns,
        cast(case when reject_reason is null then {{ replaced_columns('typed', columns) }} end as {{ names_type }})
            as _cdc_replaced_columns,
        cast(
            case
                when kafka_value is null then 'tombstone'
                when reject_reason is null then 'accepted'
                else 'rejected'
            end as varchar(10)
        ) as _cdc_status,
        cast(case when kafka_value is not null then reject_reason end as varchar(160)) as _cdc_reject_reason,
        case when kafka_value is not null and reject_reason is not null then kafka_key end as kafka_key,
        case when reject_reason is not null then kafka_value end as kafka_value,
        cast('{{ declaration_hash(table) }}' as varchar(32)) as _cdc_declaration,
        kafka_topic,
        _cdc_incarnation,
        kafka_partition,
        kafka_offset,
        kafka_timestamp,
        {{ cdc_history.current_run() }} as _cdc_run
    from typed
)
{% endmacro %}

{#- The tenant, which no source has, has its type already. -#}
{% macro _as_declared(name, column) -%}
    {{ 'cast(' ~ name ~ ' as ' ~ sql_type(column['type']) ~ ')' if column['source_names'] else name }}
{%- endmacro %}
