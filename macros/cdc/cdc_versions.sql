{#-
  The query that turns change records into versions: docs/semantics.md, rule by rule, one CTE a step.
  A pure function of the set of records of each key, so the order and the runs in which they came
  make no difference.

  source_sql   the relation of change records
  options      cdc_options()
  columns      cdc_columns()
  touched_by   SQL condition on the records; the keys that have such a record are computed, as a
               whole. None computes every key.
-#}
{% macro cdc_versions(source_sql, options, columns, touched_by=none) %}
{% set keys = options['keys'] %}
{% set sequence = options['sequence_by'] %}
{% set committed = options['updated_at'] %}
{% set names = options['columns'] %}
{% set payload = columns['payload'] %}
{% set key_names = keys | join(', ') %}
{% set by_order = 'partition by ' ~ key_names ~ ' order by ' ~ sequence ~ ', _cdc_op_rank' %}
changes as (
    {{ source_sql }}
),

{% if touched_by -%}
touched as (
    select {{ key_names }}
    from changes
    where {{ touched_by }}
    group by {{ key_names }}
),

{% endif -%}
records as (
    select
        changes.*,
        {{ options['deletes'] }} as _cdc_is_delete,
        {{ operation_rank('changes._cdc_op') }} as _cdc_op_rank
    from changes
    {%- if touched_by %}
    inner join touched
        on {% for key in keys %}{{ ' and ' if not loop.first }}changes.{{ key }} = touched.{{ key }}{% endfor %}
    {%- endif %}
),

-- of the deliveries of one change the last one stands (Redshift wants an alias before QUALIFY)
delivered as (
    select deliveries.*
    from records as deliveries
    qualify
        row_number() over (
            partition by {{ key_names }}, {{ sequence }}, _cdc_op
            order by {{ committed }} desc{% for column in options['arrival'] %}, {{ column }} desc{% endfor %}
        ) = 1
),

-- a change whose commit is not known may have been committed after a read that seems to follow it:
-- such a read shows the row as it was before one of those changes
uncertain_keys as (
    select {{ key_names }}
    from delivered
    where not _cdc_commit_known
    group by {{ key_names }}
),

uncertain as (
    select delivered.*
    from delivered
    inner join uncertain_keys
        on
            {% for key in keys -%}
            {{ 'and ' if not loop.first }}delivered.{{ key }} = uncertain_keys.{{ key }}
            {% endfor %}
),

islands as (
    select
        uncertain.*,
        sum(case when _cdc_commit_known and _cdc_op <> 'r' then 1 else 0 end)
            over ({{ by_order }} rows between unbounded preceding and current row) as island
    from uncertain
),

stale_reads as (
    select
        {%- for key in keys %}
        reads.{{ key }},
        {%- endfor %}
        reads.{{ sequence }}
    from islands as reads
    inner join islands as overtaken_by
        on
            {% for key in keys -%}
            reads.{{ key }} = overtaken_by.{{ key }}
            and {% endfor -%}
            reads.island = overtaken_by.island
            and reads._cdc_row_hash = overtaken_by._cdc_before_hash
    where
        reads._cdc_op = 'r'
        and not overtaken_by._cdc_commit_known
        and overtaken_by.{{ sequence }} < reads.{{ sequence }}
    group by {% for key in keys %}reads.{{ key }}, {% endfor %}reads.{{ sequence }}
),

current_reads as (
    select delivered.*
    from delivered
    left join stale_reads
        on
            {% for key in keys -%}
            delivered.{{ key }} = stale_reads.{{ key }}
            and {% endfor -%}
            delivered.{{ sequence }} = stale_reads.{{ sequence }}
            and delivered._cdc_op = 'r'
    where stale_reads.{{ sequence }} is null
),

-- a read that repeats the read before it says nothing
repeated as (
    select
        current_reads.*,
        lag(_cdc_op) over ({{ by_order }}) as op_before,
        lag(_cdc_row_hash) over ({{ by_order }}) as row_hash_before
    from current_reads
),

standing as (
    select *
    from repeated
    where not (_cdc_op = 'r' and coalesce(op_before, '') = 'r' and row_hash_before = _cdc_row_hash)
),

neighbours as (
    select
        standing.*,
        lead(_cdc_op) over ({{ by_order }}) as next_op,
        lag({{ sequence }}) over ({{ by_order }}) as previous_sequence,
        lag(_cdc_op) over ({{ by_order }}) as previous_op,
        lag(_cdc_row_hash) over ({{ by_order }}) as previous_row_hash
    from standing
),

-- the before image of a change says what the row was; a read just before it that differs was made late
corrections as (
    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        previous_sequence,
        {%- for column in payload %}
        _before_{{ column['name'] }},
        {%- endfor %}
        _cdc_before_hash
    from neighbours
    where previous_op = 'r' and _cdc_before_hash <> previous_row_hash
),

-- a read just before an insert saw the row too early: it is no version
observed as (
    select
        {%- for column in payload if column['name'] in keys %}
        neighbours.{{ column['name'] }},
        {%- endfor %}
        {%- for column in payload if column['name'] not in keys %}
        case when corrections.previous_sequence is null
            then neighbours.{{ column['name'] }} else corrections._before_{{ column['name'] }}
        end as {{ column['name'] }},
        {%- endfor %}
        {%- for column in payload %}
        neighbours._before_{{ column['name'] }},
        {%- endfor %}
        coalesce(corrections._cdc_before_hash, neighbours._cdc_row_hash) as _cdc_row_hash,
        neighbours._cdc_before_hash,
        neighbours._cdc_op,
        neighbours._cdc_op_rank,
        neighbours._cdc_is_delete,
        neighbours.{{ sequence }},
        neighbours.{{ committed }}
    from neighbours
    left join corrections
        on
            {% for key in keys -%}
            neighbours.{{ key }} = corrections.{{ key }}
            and {% endfor -%}
            neighbours.{{ sequence }} = corrections.previous_sequence
            and neighbours._cdc_op = 'r'
    where neighbours._cdc_op <> 'r' or coalesce(neighbours.next_op, '') <> 'c'
),

compared as (
    select
        observed.*,
        lag(_cdc_is_delete) over ({{ by_order }}) as follows_delete,
        lag(_cdc_row_hash) over ({{ by_order }}) as previous_row_hash
    from observed
),

-- a read is a version only where it shows something new
kept as (
    select
        {%- for column in payload %}
        {{ column['name'] }},
        {%- endfor %}
        {{ sequence }},
        _cdc_op,
        _cdc_op_rank,
        _cdc_is_delete,
        {{ committed }},
        _cdc_row_hash,
        _cdc_before_hash,
        _cdc_op = 'r' and previous_row_hash is null as begins_unknown
    from compared
    where _cdc_op <> 'r' or previous_row_hash is null or follows_delete or previous_row_hash <> _cdc_row_hash

    union all

    -- a row that existed before its first known change was what that change's before image says
    select
        {%- for column in payload %}
        _before_{{ column['name'] }},
        {%- endfor %}
        translate({{ sequence }}, '123456789abcdef', '000000000000000'),
        'r',
        0,
        false,
        {{ committed }},
        _cdc_before_hash,
        cast(null as varchar(32)),
        true
    from compared
    where previous_row_hash is null and _cdc_op in ('u', 'd') and _cdc_before_hash is not null
),

-- no clock decides order, so time is made monotone by order
timed as (
    select
        kept.*,
        max(case when begins_unknown then {{ beginning_of_time() }} else {{ committed }} end)
            over ({{ by_order }} rows between unbounded preceding and current row) as valid_from,
        max(case when begins_unknown then {{ beginning_of_time() }} else {{ committed }} end)
            over ({{ by_order }} rows between unbounded preceding and 1 following) as next_valid_from,
        lead({{ sequence }}) over ({{ by_order }}) as next_sequence
    from kept
),

versions as (
    select
        {%- for column in payload %}
        {{ column['name'] }},
        {%- endfor %}
        {{ sequence }},
        _cdc_op,
        _cdc_is_delete as is_deleted,
        {{ committed }},
        _cdc_row_hash,
        {{ row_hash(columns['tracked']) }} as _cdc_tracked_hash,
        _cdc_before_hash,
        {{ current_run() }} as _cdc_run,
        {{ cdc_version_id(options, payload) }} as {{ names.dbt_scd_id }},
        {{ committed }} as {{ names.dbt_updated_at }},
        valid_from as {{ names.dbt_valid_from }},
        case when next_sequence is null then {{ options['open_end'] }} else next_valid_from end
            as {{ names.dbt_valid_to }}
    from timed
)
{% endmacro %}

{#- SQL: the identity of a version: key, position, operation. -#}
{% macro cdc_version_id(options, payload) %}
    {% set parts = [] %}
    {% for column in payload if column['name'] in options['keys'] %}
        {% do parts.append({'expression': column['name'], 'data_type': column['data_type']}) %}
    {% endfor %}
    {% do parts.append({'expression': options['sequence_by'], 'data_type': 'varchar'}) %}
    {% do parts.append({'expression': '_cdc_op', 'data_type': 'varchar'}) %}
    {% do return(key_hash(parts)) %}
{% endmacro %}

{#- Before every commit time; every engine and every client can hold it. -#}
{% macro beginning_of_time() -%} cast('1900-01-01 00:00:00' as timestamp) {%- endmacro %}

{#- After every commit time: the end of what is still valid, where null will not do. -#}
{% macro end_of_time() -%} cast('9999-12-31 00:00:00' as timestamp) {%- endmacro %}
