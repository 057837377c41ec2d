{#- It heals when the change arrives, and a source may write its images late: a warning, whose rows are kept. -#}
{% test before_images_chain(model, key, sequence_by='_cdc_position', log=none) %}
    {{ config(severity='warn', store_failures=true) }}
    {% set scd_id = cdc_history._snapshot_names(model).dbt_scd_id %}
    {#- what is not built yet tells nothing of its columns -#}
    {% set has_images = execute and log and load_relation(model) is not none %}
    with versions as (
        {{ cdc_history.rows_of_audited_keys(model, key, or_where=cdc_history._is_open_break(scd_id)) }}
    ),

    chained as (
        select
            versions.*,
            {{ scd_id }} as _cdc_version_id,
            lag(_cdc_row_hash) over (
                partition by {{ key | join(', ') }}
                order by _cdc_order, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as previous_row_hash,
            lag({{ scd_id }}) over (
                partition by {{ key | join(', ') }}
                order by _cdc_order, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as previous_scd_id,
            lag(is_deleted) over (
                partition by {{ key | join(', ') }}
                order by _cdc_order, {{ cdc_history.operation_rank('_cdc_op') }}
            ) as _cdc_follows_delete
        from versions
    ),

    {% if has_images -%}
    {{ cdc_history._unwritten_reads(key, sequence_by, log) }},

    {% endif -%}
    broken as (
        select
            {% for column in key %}chained.{{ column }}, {% endfor %}
            chained.{{ sequence_by }},
            chained._cdc_op,
            chained.{{ cdc_history._snapshot_names(model).dbt_updated_at }} as dbt_updated_at,
            chained._cdc_version_id,
            chained._cdc_before_hash,
            chained.previous_row_hash,
            chained.previous_scd_id
        from chained
        {%- if has_images %}
        left join unwritten
            on
                {{ cdc_history._same_key('chained', 'unwritten', key) }}
                and chained.{{ sequence_by }} = unwritten.{{ sequence_by }}
        {%- endif %}
        where
            (
                chained._cdc_before_hash is not null
                and {{ cdc_history.differs('chained._cdc_before_hash', 'chained.previous_row_hash') }}
            )
            -- an insert of a row that is there: its delete was lost, or the key is not the source's
            or (chained._cdc_op = 'c' and not chained._cdc_follows_delete)
            {%- if has_images %}
            or (chained._cdc_op = 'c' and unwritten.{{ sequence_by }} is not null)
            {%- endif %}
    ){% if has_images %},

    {{ cdc_history._alike_but_for_columns(model, key, sequence_by, log) }}
    {%- endif %}

    select
        {% for column in key %}broken.{{ column }}, {% endfor %}
        broken.{{ sequence_by }},
        broken._cdc_op,
        broken.dbt_updated_at,
        broken._cdc_version_id as dbt_scd_id,
        broken._cdc_before_hash,
        broken.previous_row_hash
    from broken
    {%- if has_images %}
    left join alike
        on broken._cdc_version_id = alike._cdc_version_id
    {%- endif %}
    where
        {{ 'alike._cdc_version_id is null' if has_images else '1 = 1' }}
        {#- a project without run numbers has no such table -#}
        {%- set acceptances = cdc_history.operations_relation('acceptances') %}
        {%- if execute and load_relation(acceptances) %}
        and broken._cdc_version_id not in (
            select accepted.finding
            from {{ acceptances }} as accepted
            where accepted.relation = '{{ model.identifier }}'
        )
        {%- endif %}
{% endtest %}

{#-
  CTEs from `told` to `unwritten`: the inserts behind a read of a row that neither they nor what follows wrote.
  A read before an insert is no version, since a snapshot may see what is committed later; such a row it
  cannot have seen later: the key has two rows at the source, or a delete was lost.
-#}
{% macro _unwritten_reads(key, sequence_by, log) %}
{% set by_order -%}
    partition by {% for column in key %}changes.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    order by changes.{{ sequence_by }}, {{ cdc_history.operation_rank('changes._cdc_op') }}
{%- endset %}
    told as (
        select
            changes.*,
            lag(changes._cdc_op) over ({{ by_order }}) as op_before,
            lag(changes._cdc_row_hash) over ({{ by_order }}) as row_hash_before
        from {{ log }} as changes
        inner join (select {{ key | join(', ') }} from versions where _cdc_op = 'c' group by {{ key | join(', ') }}) as inserted
            on {{ cdc_history._same_key('changes', 'inserted', key) }}
    ),

    unwritten as (
        select
            {% for column in key %}told.{{ column }}, {% endfor %}
            told.{{ sequence_by }}
        from told
        left join told as later
            on
                {{ cdc_history._same_key('told', 'later', key) }}
                and told.{{ sequence_by }} <= later.{{ sequence_by }}
                and (told.row_hash_before = later._cdc_row_hash or later._cdc_not_carried is not null)
        where told._cdc_op = 'c' and told.op_before = 'r' and later.{{ sequence_by }} is null
        group by {% for column in key %}told.{{ column }}, {% endfor %}told.{{ sequence_by }}
    )
{% endmacro %}

{#-
  CTEs from `compared` to `alike`: the breaks that are none, because the two images differ only in columns
  that one of them does not have. A source that adds a column with a default sends no change of the rows
  that are there: their next before image has it, the version before has not.

  Which columns a record's images lack, the log says. A column that was declared later is null in what was
  read before; dbt has added it behind the history's own columns.
-#}
{% macro _alike_but_for_columns(model, key, sequence_by, log) %}
{% set with_images = cdc_history.ephemeral_columns(log) %}
{% if with_images is none %}
    {% set with_images = get_column_schema_from_query('select * from ' ~ log) | map(attribute='name') | list %}
{% endif %}
{% set columns = [] %}
{% set later = [] %}
{% set of_history = adapter.get_columns_in_relation(model) %}
{% set names = of_history | map(attribute='name') | list %}
{% for column in of_history if '_before_' ~ column.name in with_images %}
    {% do columns.append({'name': column.name, 'data_type': column.data_type | lower}) %}
    {% if names.index(column.name) > names.index('_cdc_row_hash') %}{% do later.append(column.name) %}{% endif %}
{% endfor %}
    compared as (
        select
            broken._cdc_version_id
            {%- for column in columns %}
            {%- set has_both -%}
                position(',{{ column['name'] }},' in
                    coalesce(',' || changes._cdc_missing_columns || ',', '')
                    || coalesce(',' || seen._cdc_missing_columns || ',', '')) = 0
                {%- if column['name'] in later %}
                and (
                    previous.{{ adapter.quote(column['name']) }} is not null
                    or seen._cdc_declaration = changes._cdc_declaration
                )
                {%- endif %}
            {%- endset %},
            case when {{ has_both }} then previous.{{ adapter.quote(column['name']) }} end
                as {{ adapter.quote(column['name']) }},
            case when {{ has_both }} then changes.{{ adapter.quote('_before_' ~ column['name']) }} end
                as {{ adapter.quote('_before_' ~ column['name']) }}
            {%- endfor %}
        from broken
        inner join {{ model }} as previous
            on {{ cdc_history._same_key('broken', 'previous', key) }}
            and broken.previous_scd_id = previous.{{ cdc_history._snapshot_names(model).dbt_scd_id }}
        inner join {{ log }} as changes
            on {{ cdc_history._same_key('broken', 'changes', key) }}
            and broken.{{ sequence_by }} = changes.{{ sequence_by }}
            and broken._cdc_op = changes._cdc_op
        inner join {{ log }} as seen
            on {{ cdc_history._same_key('previous', 'seen', key) }}
            and previous.{{ sequence_by }} = seen.{{ sequence_by }}
            and previous._cdc_op = seen._cdc_op
    ),

    alike as (
        select _cdc_version_id
        from compared
        where {{ cdc_history.row_hash(columns) }} = {{ cdc_history.row_hash(columns, '_before_') }}
        group by _cdc_version_id
    )
{% endmacro %}

{% macro _same_key(a, b, key) -%}
    {% for column in key %}{{ ' and ' if not loop.first }}{{ a }}.{{ column }} = {{ b }}.{{ column }}{% endfor %}
{%- endmacro %}

{#-
  SQL condition: the version is one that this test has reported. Its key is looked at until the break is
  healed or accepted, whatever the run wrote.
-#}
{% macro _is_open_break(scd_id) -%}
    {{ scd_id }} in (
        select breaks.dbt_scd_id
        from {{ cdc_history.operations_relation('breaks') }} as breaks
        where breaks.test = '{{ model.unique_id }}'
    )
{%- endmacro %}
