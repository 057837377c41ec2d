{#-
  CTEs from `ordered` to `settled`: the changes of each key, each once, in their order, with all that is
  known of the row after and before each: rules 1 to 3a and 3d of the project's docs/semantics.md.

  Most keys need no more than a sort. The steps behind `unsettled_keys` see those of which a commit's
  place is not known, an image does not carry a column, or one commit holds several changes; where no key
  has such a change, the steps are left out (`_narrow`).

  `_versions` asks for `plain` too, the keys of which the sort says all: each change is a version, and its
  neighbours are its bounds (rules 3b to 8 change nothing). `settled` then has the other keys only.

  settled   the keys, _cdc_place (orders the changes of a key), _cdc_order (the position in whose place it
            stands), what the relation says of the change, and which record has the values: `image_...`
  filled    of the records of keys with images that do not carry all: the keys, the sequence, _cdc_op,
            and the values, so far as an earlier change gives what they lack

  options      as `_look_at_records` completes it
  touched_by   SQL condition on the records; the keys that have such a record are computed, as a
               whole. None computes every key; `several` those that are more than one insert or read.
  plain        whether the keys whose changes are versions as they come are told apart
-#}
{% macro _settled_changes(options, touched_by=none, plain=false) %}
{% do cdc_history._narrow(options, touched_by) %}
{% set keys = options['keys'] %}
{% set key_list = keys | join(', ') %}
{% set sequence = options['sequence'] %}
{% set committed = options['committed'] %}
{% set told = ['_cdc_op', '_cdc_is_delete', committed] %}
{% set held = ['_cdc_row_hash', '_cdc_before_hash']
    + (['_cdc_not_carried', '_cdc_before_not_carried'] if options['holes'] else []) %}
{% set image = cdc_history._image_columns(options).keys() | list %}
{% set unsettled = options['floats'] or options['fills'] or options['commits'] %}
{% set by_delivery -%}
    partition by {{ cdc_history._keys_of(keys, 'changes') }}
    order by
        changes.{{ sequence }} asc, {{ cdc_history.operation_rank('changes._cdc_op') }} asc, changes._cdc_op asc,
        changes.{{ committed }} desc{% for column in options['arrival'] %}, changes.{{ adapter.quote(column) }} desc{% endfor %}
{%- endset %}
{% if touched_by -%}
{{ cdc_history._touched_keys(options, touched_by) }},

{% endif -%}
ordered as (
    select
        {%- for key in keys %}
        changes.{{ key }},
        {%- endfor %}
        changes.{{ sequence }},
        changes._cdc_op,
        {{ options['deletes'] }} as _cdc_is_delete,
        changes.{{ committed }},
        {%- for name in held + (['_cdc_commit_known'] if options['floats'] else [])
            + (['_cdc_is_absence'] if options['absences'] else []) %}
        changes.{{ name }},
        {%- endfor %}
        {%- for name, column in cdc_history._image_columns(options).items() %}
        changes.{{ column }} as {{ name }},
        {%- endfor %}
        {%- if options['commits'] %}
        changes._cdc_commit,
        lag(changes._cdc_commit) over ({{ by_delivery }}) as _cdc_commit_before,
        {%- endif %}
        row_number() over ({{ by_delivery }}) as _cdc_place,
        -- kept as what they say: a position is 67 letters, and each change is held several times
        coalesce(
            lag(changes.{{ sequence }}) over ({{ by_delivery }}) = changes.{{ sequence }}
            and lag(changes._cdc_op) over ({{ by_delivery }}) = changes._cdc_op,
            false
        ) as is_redelivered
        {%- if plain %},
        lag(changes._cdc_op) over ({{ by_delivery }}) as op_before,
        lag(changes.{{ committed }}) over ({{ by_delivery }}) as committed_before,
        lead(changes.{{ committed }}) over ({{ by_delivery }}) as next_committed,
        lead(changes._cdc_op) over ({{ by_delivery }}) as next_op,
        lead(changes._cdc_before_hash) over ({{ by_delivery }}) <> changes._cdc_row_hash as next_knows_better
        {%- endif %}
    from ({{ options['records'] }}) as changes
    {%- if touched_by %}
    inner join touched
        on {{ cdc_history._same_keys(keys, 'changes', 'touched') }}
    {%- endif %}
),

-- of the deliveries of one change the last one stands
{{ 'heard' if options['absences'] else 'delivered' }} as (
    select *
    from ordered
    where not is_redelivered
),

{% if options['absences'] -%}
{{ cdc_history._true_absences(options) }},
{%- endif %}

{% if unsettled or plain %}
unsettled_keys as (
    select {{ key_list }}
    from {{ 'ordered' if plain else 'delivered' }}
    where
        {% if options['floats'] %}not _cdc_commit_known{% else %}false{% endif %}
        {%- if plain %}
        or is_redelivered
        -- a read that is not the first of the key, or that the next change knows better
        or (_cdc_op = 'r' and (op_before is not null or next_op = 'c' or next_knows_better))
        -- a clock that stepped back
        or ({{ committed }} < committed_before and op_before <> 'r')
        -- a commit before the beginning that rows have of which no insert is known
        or {{ committed }} < {{ cdc_history.beginning_of_time() }}
        {%- if options['absences'] %}
        or _cdc_is_absence
        {%- endif %}
        {%- endif %}
        {%- if options['fills'] %}
        or _cdc_not_carried is not null
        or _cdc_before_not_carried is not null
        {%- endif %}
        {%- if options['commits'] %}
        or _cdc_commit_before = _cdc_commit
        {%- endif %}
    group by {{ key_list }}
),
{%- endif %}

{% if plain %}
plain as{{ adapter.dispatch('_read_once_more', 'cdc_history')() }} (
    select ordered.*
    from ordered
    left join unsettled_keys
        on {{ cdc_history._same_keys(keys, 'ordered', 'unsettled_keys') }}
    where unsettled_keys.{{ keys[0] }} is null
),
{%- endif %}

{% if unsettled %}
numbered as (
    select
        delivered.*,
        row_number() over (
            partition by {{ cdc_history._keys_of(keys, 'delivered') }}
            order by delivered._cdc_place
        ) as _cdc_step
    from delivered
    inner join unsettled_keys
        on {{ cdc_history._same_keys(keys, 'delivered', 'unsettled_keys') }}
),

{% if options['fills'] -%}
{{ cdc_history._imaged(options) }},

{% endif -%}
{% if options['commits'] -%}
{{ cdc_history._lined_up(options) }},
{%- else -%}
lined_up as (
    select
        numbered.*,
        numbered._cdc_step as _cdc_step_before_exchange,
        numbered.{{ sequence }} as _cdc_order
    from numbered
),
{%- endif %}

{% if options['floats'] -%}
{{ cdc_history._stale_reads(options) }},

{% endif -%}
standing_steps as (
    select
        lined_up.*,
        row_number() over (
            partition by {{ cdc_history._keys_of(keys, 'lined_up') }}
            order by lined_up._cdc_step
        ) as _cdc_stand
    from lined_up
    {%- if options['floats'] %}
    left join stale_reads
        on {{ cdc_history._same_keys(keys, 'lined_up', 'stale_reads') }} and lined_up._cdc_step = stale_reads._cdc_step
    where stale_reads._cdc_step is null
    {%- endif %}
),

{% if options['fills'] -%}
{{ cdc_history._filled(options) }},

{% endif -%}
{% endif -%}
settled as (
    {%- if not (plain and unsettled) %}
    select
        {%- for name in keys + [sequence] + told + held + image %}
        delivered.{{ name }},
        {%- endfor %}
        delivered.{{ sequence }} as _cdc_order,
        delivered._cdc_place
    from delivered
    {%- if plain %}
    inner join unsettled_keys
        on {{ cdc_history._same_keys(keys, 'delivered', 'unsettled_keys') }}
    {%- elif unsettled %}
    left join unsettled_keys
        on {{ cdc_history._same_keys(keys, 'delivered', 'unsettled_keys') }}
    where unsettled_keys.{{ keys[0] }} is null

    union all
    {% endif %}
    {%- endif %}
    {%- if unsettled %}
    select
        {%- for name in keys + [sequence] + told %}
        standing_steps.{{ name }},
        {%- endfor %}
        {%- for name in held %}
        {%- if options['fills'] %}
        case when filled._cdc_stand is null then standing_steps.{{ name }} else filled.{{ name }} end as {{ name }},
        {%- else %}
        standing_steps.{{ name }},
        {%- endif %}
        {%- endfor %}
        {%- for name in image %}
        standing_steps.{{ name }},
        {%- endfor %}
        standing_steps._cdc_order,
        standing_steps._cdc_stand as _cdc_place
    from standing_steps
    {%- if options['fills'] %}
    left join filled
        on {{ cdc_history._same_keys(keys, 'standing_steps', 'filled') }} and standing_steps._cdc_stand = filled._cdc_stand
    {%- endif %}
    {%- endif %}
)
{% endmacro %}

{% macro _touched_keys(options, touched_by) -%}
touched as (
    select {{ options['keys'] | join(', ') }}
    from ({{ options['records'] }}) as changes
    {%- if touched_by != 'several' %}
    where {{ touched_by }}
    {%- endif %}
    group by {{ options['keys'] | join(', ') }}
    {%- if touched_by == 'several' %}
    having count(*) > 1 or max(_cdc_op) not in ('c', 'r')
    {%- endif %}
)
{%- endmacro %}

{#-
  Asks the records of the keys to be computed which of the shapes that take more than a sort there are, and
  keeps the others out of the SQL: planned for each table of each build they would cost more than all rows of a
  small run. `floats`, `absences` and `commits` are narrowed to what occurs; `fills` says of `holes` whether it does.

  The answer has to hold until the SQL has run: the log is written by builds only, of which one runs at a time.
  So a view has every step, as has what is only compiled, or a unit test, whose records are nowhere but in its SQL.
-#}
{% macro _narrow(options, touched_by) %}
{% do options.update({'fills': options['holes']}) %}
{% set asked = {} %}
{% if options['floats'] %}{% do asked.update({'floats': 'not _cdc_commit_known'}) %}{% endif %}
{% if options['absences'] %}{% do asked.update({'absences': '_cdc_is_absence'}) %}{% endif %}
{% if options['holes'] %}
    {% do asked.update({'fills': '_cdc_not_carried is not null or _cdc_before_not_carried is not null'}) %}
{% endif %}
{% if options['commits'] %}{% do asked.update({'commits': none}) %}{% endif %}
{% set is_written = cdc_history.invocation_writes() and model.config.materialized in ['incremental', 'table', 'snapshot'] %}
{% if execute and asked and is_written and '__dbt__cte__' not in options['records'] %}
    {% set question %}
        {%- if touched_by %}
        with {{ cdc_history._touched_keys(options, touched_by) }}
        {%- endif %}
        select {% for name in asked %}max({{ name }}){{ ', ' if not loop.last }}{% endfor %}
        from (
            select
                {%- for name, condition in asked.items() %}
                {%- if name == 'commits' %}
                case
                    when changes._cdc_commit is not null
                        and min(changes.{{ options['sequence'] }} || changes._cdc_op) <> max(changes.{{ options['sequence'] }} || changes._cdc_op)
                        then 1
                    else 0
                end as commits
                {%- else %}
                max(case when {{ condition }} then 1 else 0 end) as {{ name }}
                {%- endif %}{{ ',' if not loop.last }}
                {%- endfor %}
            from ({{ options['records'] }}) as changes
            {%- if touched_by %}
            inner join touched
                on {{ cdc_history._same_keys(options['keys'], 'changes', 'touched') }}
            {%- endif %}
            group by {% for key in options['keys'] %}changes.{{ key }}{{ ', ' if not loop.last }}{% endfor %}
            {%- if options['commits'] %}, changes._cdc_commit{% endif %}
        ) as shapes
    {% endset %}
    {% set answer = run_query(question).rows[0] %}
    {% for name in asked %}{% do options.update({name: answer[loop.index0] == 1}) %}{% endfor %}
{% endif %}
{% endmacro %}

{#- Keeps DuckDB from holding what a CTE that is named twice gives: more memory than the join again costs time. -#}
{% macro duckdb___read_once_more() %}{{ return(' not materialized') }}{% endmacro %}
{% macro default___read_once_more() %}{{ return('') }}{% endmacro %}

{#- SQL: the keys beside an alias, as a list. -#}
{% macro _keys_of(keys, alias) -%}
    {% for key in keys %}{{ alias }}.{{ key }}{{ ', ' if not loop.last }}{% endfor %}
{%- endmacro %}

{% macro _same_keys(keys, a, b) -%}
    {% for key in keys %}{{ ' and ' if not loop.first }}{{ a }}.{{ key }} = {{ b }}.{{ key }}{% endfor %}
{%- endmacro %}

{#- SQL: the column of a history as written beside an alias: of the row, or of the image before it. -#}
{% macro _image_value(alias, column, image) -%}
    {{ alias }}.{{ column['column'] if image == 'row' else column['before'] }}
{%- endmacro %}

{#- Boolean SQL, null where there is no image: it carries the column. -#}
{% macro _carries(alias, column, image) -%}
    position(',{{ column["name"] }},' in {{ alias }}._cdc_{{ image }}_lacks) = 0
{%- endmacro %}

{#- CTE: the records of keys with images that do not carry all, with their values. -#}
{% macro _imaged(options) %}
{% set keys = options['keys'] %}
imaged as (
    select
        {%- for key in keys %}
        numbered.{{ key }},
        {%- endfor %}
        numbered._cdc_step,
        ',' || coalesce(numbered._cdc_not_carried, '') || ',' as _cdc_row_lacks,
        case when numbered._cdc_before_hash is not null
            then ',' || coalesce(numbered._cdc_before_not_carried, '') || ','
        end as _cdc_before_lacks
        {%- for column in cdc_history._beside_the_key(options) %},
        images.{{ column['column'] }},
        images.{{ column['before'] }}
        {%- endfor %}
    from numbered
    inner join (
        select {{ keys | join(', ') }}
        from numbered
        where _cdc_not_carried is not null or _cdc_before_not_carried is not null
        group by {{ keys | join(', ') }}
    ) as holed_keys
        on {{ cdc_history._same_keys(keys, 'numbered', 'holed_keys') }}
    inner join ({{ cdc_history._image_records(options) }}) as images
        on {{ cdc_history._same_image(options, 'numbered') }}
)
{% endmacro %}

{% macro _beside_the_key(options) %}
    {% set columns = [] %}
    {% for column in options['payload'] if column['name'] not in options['key_names'] %}
        {% do columns.append(column) %}
    {% endfor %}
    {% do return(columns) %}
{% endmacro %}

{#-
  Boolean SQL, never null: an image of `a` is known and is an image of `b` in all that both carry. Equal
  hashes say so at once; values are there for keys with images that do not carry all (`<alias>_values`).
-#}
{% macro _agrees(options, a, a_image, b, b_image) %}
    (
        coalesce({{ a }}._cdc_{{ a_image }}_hash = {{ b }}._cdc_{{ b_image }}_hash, false)
        {%- if options['fills'] %}
        or (
            {{ a }}_values._cdc_{{ a_image }}_lacks is not null
            and {{ b }}_values._cdc_{{ b_image }}_lacks is not null
            {%- for column in cdc_history._beside_the_key(options) %}
            {%- set values = [
                cdc_history._image_value(a ~ '_values', column, a_image), cdc_history._image_value(b ~ '_values', column, b_image),
            ] %}
            and (
                not {{ cdc_history._carries(a ~ '_values', column, a_image) }}
                or not {{ cdc_history._carries(b ~ '_values', column, b_image) }}
                {%- if column['data_type'].startswith(('varchar', 'character varying', 'text', 'string')) %}
                {#- Redshift's = ignores blanks at the end #}
                or coalesce({{ values[0] }} || '|', '') = coalesce({{ values[1] }} || '|', '')
                {%- else %}
                or not {{ cdc_history.differs(values[0], values[1]) }}
                {%- endif %}
            )
            {%- endfor %}
        )
        {%- endif %}
    )
{% endmacro %}

{#- The join that brings `<alias>_values`, where there are any. -#}
{% macro _values_of(options, alias, step='_cdc_step') %}
    {%- if options['fills'] %}
    left join imaged as {{ alias }}_values
        on {{ cdc_history._same_keys(options['keys'], alias, alias ~ '_values') }} and {{ alias }}.{{ step }} = {{ alias }}_values._cdc_step
    {%- endif %}
{% endmacro %}

{#-
  CTEs to `lined_up`: two changes of one commit whose positions are not their order change places
  (rule 2a). Whether a row lived is told by the last read or commit before that decides it.
-#}
{% macro _lined_up(options) %}
{% set keys = options['keys'] %}
{% set key_list = keys | join(', ') %}
{% set sequence = options['sequence'] %}
commits as (
    select
        {{ key_list }},
        _cdc_commit,
        min(_cdc_step) as _cdc_first_step,
        max(_cdc_step) as _cdc_last_step,
        count(*) as _cdc_change_count,
        sum(case when _cdc_op = 'c' then 1 else 0 end) as _cdc_inserts,
        sum(case when _cdc_op = 'd' then 1 else 0 end) as _cdc_deletes
    from numbered
    where _cdc_op <> 'r' and _cdc_commit is not null
    group by {{ key_list }}, _cdc_commit
),

decided as (
    select
        numbered.*,
        commits._cdc_first_step,
        commits._cdc_last_step,
        commits._cdc_change_count,
        -- even: deleted, odd: there
        max(
            case
                when numbered._cdc_op = 'r' then 2 * numbered._cdc_step + 1
                {%- if options['absences'] %}
                when numbered._cdc_is_absence then 2 * numbered._cdc_step
                {%- endif %}
                when numbered._cdc_step <> commits._cdc_last_step then null
                when commits._cdc_inserts > commits._cdc_deletes or commits._cdc_inserts + commits._cdc_deletes = 0 then 2 * numbered._cdc_step + 1
                when commits._cdc_inserts < commits._cdc_deletes then 2 * numbered._cdc_step
            end
        ) over (
            partition by {{ cdc_history._keys_of(keys, 'numbered') }}
            order by numbered._cdc_step rows between unbounded preceding and 1 preceding
        ) as _cdc_life_before
    from numbered
    left join commits
        on
            {{ cdc_history._same_keys(keys, 'numbered', 'commits') }}
            -- a condition of one side in an ON would compare each row with each (DuckDB)
            and case when numbered._cdc_op <> 'r' then numbered._cdc_commit end = commits._cdc_commit
),

exchanged as (
    select
        {%- for key in keys %}
        first_change.{{ key }},
        {%- endfor %}
        first_change._cdc_step as _cdc_first_step,
        first_change.{{ sequence }} as _cdc_first_sequence,
        second_change.{{ sequence }} as _cdc_second_sequence
    from decided as first_change
    inner join decided as second_change
        on
            {{ cdc_history._same_keys(keys, 'first_change', 'second_change') }}
            and first_change._cdc_step + 1 = second_change._cdc_step
            and first_change._cdc_last_step = second_change._cdc_step
            and first_change._cdc_change_count = 2
            and first_change.{{ sequence }} <> second_change.{{ sequence }}
    left join decided as previous_change
        on
            {{ cdc_history._same_keys(keys, 'first_change', 'previous_change') }}
            and first_change._cdc_step - 1 = previous_change._cdc_step
    {{- cdc_history._values_of(options, 'first_change') }}
    {{- cdc_history._values_of(options, 'second_change') }}
    {{- cdc_history._values_of(options, 'previous_change') }}
    where
        case first_change._cdc_op || second_change._cdc_op
            when 'uc' then true
            when 'du' then true
            when 'cd' then mod(first_change._cdc_life_before, 2) = 1
            when 'dc' then mod(first_change._cdc_life_before, 2) = 0
            when 'uu' then
                {{ cdc_history._agrees(options, 'first_change', 'before', 'second_change', 'row') }}
                and second_change._cdc_before_hash is not null
                and not {{ cdc_history._agrees(options, 'second_change', 'before', 'first_change', 'row') }}
                and not (
                    -- what the row was before is known, and is what the first change found
                    coalesce(previous_change._cdc_op = 'r' or (previous_change._cdc_op <> 'd' and previous_change._cdc_change_count = 1), false)
                    and {{ cdc_history._agrees(options, 'first_change', 'before', 'previous_change', 'row') }}
                )
        end
),

lined_up as (
    select
        {%- for name in keys + [sequence, '_cdc_op', '_cdc_is_delete', options['committed'], '_cdc_row_hash', '_cdc_before_hash']
            + (['_cdc_not_carried', '_cdc_before_not_carried'] if options['holes'] else [])
            + (['_cdc_commit_known'] if options['floats'] else [])
            + cdc_history._image_columns(options).keys() | list %}
        numbered.{{ name }},
        {%- endfor %}
        numbered._cdc_step as _cdc_step_before_exchange,
        case
            when exchanged._cdc_first_step is null then numbered._cdc_step
            when exchanged._cdc_first_step = numbered._cdc_step then numbered._cdc_step + 1
            else numbered._cdc_step - 1
        end as _cdc_step,
        case
            when exchanged._cdc_first_step is null then numbered.{{ sequence }}
            when exchanged._cdc_first_step = numbered._cdc_step then exchanged._cdc_second_sequence
            else exchanged._cdc_first_sequence
        end as _cdc_order
    from numbered
    left join exchanged
        on
            {{ cdc_history._same_keys(keys, 'numbered', 'exchanged') }}
            and numbered._cdc_step between exchanged._cdc_first_step and exchanged._cdc_first_step + 1
)
{% endmacro %}

{#-
  CTE: the reads that a transaction overtook (rule 3a). A change whose commit is not known may have been
  committed after a read that seems to follow it: such a read shows the row as it was before that change.
-#}
{% macro _stale_reads(options) %}
{% set keys = options['keys'] %}
islands as (
    select
        lined_up.*,
        sum(case when lined_up._cdc_commit_known and lined_up._cdc_op <> 'r' then 1 else 0 end)
            over (
                partition by {{ cdc_history._keys_of(keys, 'lined_up') }}
                order by lined_up._cdc_step rows between unbounded preceding and current row
            ) as _cdc_island
    from lined_up
),

stale_reads as (
    select
        {%- for key in keys %}
        snapshot_read.{{ key }},
        {%- endfor %}
        snapshot_read._cdc_step
    from islands as snapshot_read
    inner join islands as overtaken_by
        on
            {{ cdc_history._same_keys(keys, 'snapshot_read', 'overtaken_by') }}
            and snapshot_read._cdc_island = overtaken_by._cdc_island
    {{- cdc_history._values_of(options, 'snapshot_read', '_cdc_step_before_exchange') }}
    {{- cdc_history._values_of(options, 'overtaken_by', '_cdc_step_before_exchange') }}
    where
        snapshot_read._cdc_op = 'r'
        and not overtaken_by._cdc_commit_known
        and overtaken_by._cdc_step < snapshot_read._cdc_step
        and {{ cdc_history._agrees(options, 'overtaken_by', 'before', 'snapshot_read', 'row') }}
    group by {{ cdc_history._keys_of(keys, 'snapshot_read') }}, snapshot_read._cdc_step
)
{% endmacro %}

{#-
  CTEs to `filled`: what an image does not carry is as the change before left it (rule 3d). Each row names,
  column by column, the step that tells its value: its own, or the last one before that told.
-#}
{% macro _filled(options) %}
{% set keys = options['keys'] %}
{% set columns = cdc_history._beside_the_key(options) %}
{% set untold, untold_before = {}, {} %}
{% for column in columns %}
    {% do untold.update({column['name']: 'own._cdc_told_at_' ~ loop.index ~ ' is null'}) %}
    {% do untold_before.update({column['name']:
        'not ' ~ cdc_history._carries('own', column, 'before') ~ ' and earlier._cdc_told_at_' ~ loop.index ~ ' is null'
    }) %}
{% endfor %}
-- an insert is another row, whatever had its key before
lives as (
    select
        standing_steps.*,
        sum(case when standing_steps._cdc_op = 'c' then 1 else 0 end) over (
            partition by {{ cdc_history._keys_of(keys, 'standing_steps') }}
            order by standing_steps._cdc_stand rows between unbounded preceding and current row
        ) as _cdc_life
    from standing_steps
),

told_values as (
    select
        {%- for key in keys %}
        lives.{{ key }},
        {%- endfor %}
        lives.{{ options['sequence'] }},
        lives._cdc_op,
        lives._cdc_stand,
        imaged._cdc_row_lacks,
        imaged._cdc_before_lacks
        {%- for column in columns %},
        case
            when {{ cdc_history._carries('imaged', column, 'row') }} then imaged.{{ column['column'] }}
            when {{ cdc_history._carries('imaged', column, 'before') }} then imaged.{{ column['before'] }}
            else imaged.{{ column['column'] }}
        end as {{ column['column'] }},
        imaged.{{ column['before'] }},
        max(
            case when {{ cdc_history._carries('imaged', column, 'row') }} or {{ cdc_history._carries('imaged', column, 'before') }}
                then lives._cdc_stand
            end
        ) over (
            partition by {{ cdc_history._keys_of(keys, 'lives') }}, lives._cdc_life
            order by lives._cdc_stand rows between unbounded preceding and current row
        ) as _cdc_told_at_{{ loop.index }}
        {%- endfor %}
    from lives
    inner join imaged
        on
            {{ cdc_history._same_keys(keys, 'lives', 'imaged') }}
            and lives._cdc_step_before_exchange = imaged._cdc_step
),

filled_rows as (
    select
        {%- for key in keys %}
        own.{{ key }},
        {%- endfor %}
        own.{{ options['sequence'] }},
        own._cdc_op,
        own._cdc_stand,
        own._cdc_before_lacks
        {%- for column in columns %},
        case
            when own._cdc_told_at_{{ loop.index }} is null then own.{{ column['column'] }}
            -- the first of the rows that it tells is the one that tells
            else first_value(own.{{ column['column'] }}) over (
                partition by {{ cdc_history._keys_of(keys, 'own') }}, own._cdc_told_at_{{ loop.index }}
                order by own._cdc_stand rows between unbounded preceding and current row
            )
        end as {{ column['column'] }},
        own.{{ column['before'] }},
        own._cdc_told_at_{{ loop.index }}
        {%- endfor %}
    from told_values as own
),

filled_images as (
    select
        {%- for key in keys %}
        own.{{ key }},
        {%- endfor %}
        own.{{ options['sequence'] }},
        own._cdc_op,
        own._cdc_stand,
        own._cdc_before_lacks is not null as _cdc_has_before,
        {{ cdc_history.names_where(untold) }} as _cdc_not_carried,
        case when own._cdc_before_lacks is not null
            then {{ cdc_history.names_where(untold_before) }}
        end as _cdc_before_not_carried
        {%- for column in columns %},
        own.{{ column['column'] }},
        case
            when {{ cdc_history._carries('own', column, 'before') }} or earlier._cdc_told_at_{{ loop.index }} is null
                then own.{{ column['before'] }}
            else earlier.{{ column['column'] }}
        end as {{ column['before'] }}
        {%- endfor %}
        {%- for column in options['payload'] if column['name'] in options['key_names'] %},
        own.{{ column['column'] }} as {{ column['before'] }}
        {%- endfor %}
    from filled_rows as own
    left join filled_rows as earlier
        on {{ cdc_history._same_keys(keys, 'own', 'earlier') }} and own._cdc_stand - 1 = earlier._cdc_stand
),

filled as (
    select
        filled_images.*,
        {{ cdc_history.row_hash(options['hashed']) }} as _cdc_row_hash,
        case when _cdc_has_before then {{ cdc_history.row_hash(options['hashed'], prefix='_before_') }} end as _cdc_before_hash
    from filled_images
)
{% endmacro %}
