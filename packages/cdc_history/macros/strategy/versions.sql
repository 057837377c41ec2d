{#-
  The query that turns change records into versions: the project's docs/semantics.md, rule by rule, one CTE per step.
  A pure function of the set of records of each key, so the order and the runs in which they came
  make no difference.

  The steps carry no values of the row, only what decides (key, order, hashes, times) and which record
  has the values: `image_...` names it, `is_before_image` says which of its two images it is.
  `_images` fetches them for the versions that are written.

  source_sql   the relation of change records
  options      cdc_history._options()
  touched_by   as of `_settled_changes`
-#}
{% macro _versions(options, touched_by=none) %}
{% set keys = options['keys'] %}
{% set sequence = options['sequence'] %}
{% set committed = options['committed'] %}
{% set names = options['columns'] %}
{% set key_names = keys | join(', ') %}
{% set image = cdc_history._image_columns(options).keys() | list %}
{% set holes = options['holes'] %}
{% set by_order = 'partition by ' ~ key_names ~ ' order by _cdc_place' %}
{% set told = keys + [sequence, '_cdc_order', '_cdc_op', '_cdc_is_delete', committed, '_cdc_row_hash', '_cdc_before_hash']
    + (['_cdc_not_carried'] if holes else []) + ['is_before_image', 'image_sequence', 'image_op'] + image %}
{% set row_before_first %}
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        translate({{ sequence }}, '123456789abcdef', '000000000000000') as {{ sequence }},
        translate({{ sequence }}, '123456789abcdef', '000000000000000') as _cdc_order,
        'r' as _cdc_op,
        false as _cdc_is_delete,
        {{ committed }},
        _cdc_before_hash as _cdc_row_hash,
        cast(null as varchar(32)) as _cdc_before_hash,
        {%- if holes %}
        _cdc_before_not_carried as _cdc_not_carried,
        {%- endif %}
        true as is_before_image,
        {{ sequence }} as image_sequence,
        _cdc_op as image_op,
        {%- for column in image %}
        {{ column }},
        {%- endfor %}
{%- endset %}
{% set own_image = {'_cdc_order': sequence, 'is_before_image': 'false', 'image_sequence': sequence, 'image_op': '_cdc_op'} %}
{{ cdc_history._settled_changes(options, touched_by, plain=true) }},

-- a read that repeats the read before it says nothing
repeated as (
    select
        settled.*,
        lag(_cdc_op) over ({{ by_order }}) as previous_op,
        lag(_cdc_row_hash) over ({{ by_order }}) as previous_row_hash
    from settled
),

standing as (
    select *
    from repeated
    where not (_cdc_op = 'r' and coalesce(previous_op, '') = 'r' and previous_row_hash = _cdc_row_hash)
),

neighbours as (
    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        {{ sequence }},
        _cdc_order,
        _cdc_op,
        _cdc_is_delete,
        {{ committed }},
        _cdc_row_hash,
        _cdc_before_hash,
        {%- if holes %}
        _cdc_not_carried,
        _cdc_before_not_carried,
        lead(_cdc_before_not_carried) over ({{ by_order }}) as _cdc_next_before_not_carried,
        {%- endif %}
        _cdc_place,
        lead(_cdc_op) over ({{ by_order }}) as next_op,
        lead(_cdc_before_hash) over ({{ by_order }}) as next_before_hash,
        lead({{ sequence }}) over ({{ by_order }}) as next_sequence
        {%- for column in image %},
        {{ column }},
        lead({{ column }}) over ({{ by_order }}) as next_{{ column }}
        {%- endfor %}
    from standing
),

-- the before image of a change says what the row was; a read just before it that differs was made late
judged as (
    select
        neighbours.*,
        _cdc_op = 'r' and coalesce(next_before_hash, _cdc_row_hash) <> _cdc_row_hash as is_corrected
    from neighbours
),

-- a read just before an insert saw the row too early: it is no version
observed as (
    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        {{ sequence }},
        _cdc_order,
        _cdc_op,
        _cdc_is_delete,
        {{ committed }},
        case when is_corrected then next_before_hash else _cdc_row_hash end as _cdc_row_hash,
        _cdc_before_hash,
        {%- if holes %}
        case when _cdc_op = 'r' and next_before_hash is not null then _cdc_next_before_not_carried else _cdc_not_carried end
            as _cdc_not_carried,
        _cdc_before_not_carried,
        {%- endif %}
        _cdc_place,
        is_corrected as is_before_image,
        case when is_corrected then next_sequence else {{ sequence }} end as image_sequence,
        case when is_corrected then next_op else _cdc_op end as image_op
        {%- for column in image %},
        case when is_corrected then next_{{ column }} else {{ column }} end as {{ column }}
        {%- endfor %}
    from judged
    where _cdc_op <> 'r' or coalesce(next_op, '') <> 'c'
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
        {{ told | join(',\n        ') }},
        _cdc_op = 'r' and previous_row_hash is null as begins_unknown,
        _cdc_place
    from compared
    where _cdc_op <> 'r' or previous_row_hash is null or follows_delete or previous_row_hash <> _cdc_row_hash

    union all

    -- a row that existed before its first known change was what that change's before image says
    select
        {{- row_before_first }}
        true as begins_unknown,
        0 as _cdc_place
    from compared
    where previous_row_hash is null and _cdc_op in ('u', 'd') and _cdc_before_hash is not null
),

-- no clock decides order, so time is made monotone by order
timed as (
    select
        kept.*,
        max(case when begins_unknown then {{ cdc_history.beginning_of_time() }} else {{ committed }} end)
            over ({{ by_order }} rows between unbounded preceding and current row) as valid_from,
        max(case when begins_unknown then {{ cdc_history.beginning_of_time() }} else {{ committed }} end)
            over ({{ by_order }} rows between unbounded preceding and 1 following) as next_valid_from,
        lead(_cdc_place) over ({{ by_order }}) as next_place
    from kept
),

bounded as (
    select
        {{ told | join(',\n        ') }},
        valid_from,
        next_valid_from,
        next_place is null as is_last
    from timed

    union all

    select
        {%- for name in told %}
        {{ own_image[name] ~ ' as ' if name in own_image }}{{ name }},
        {%- endfor %}
        {{ cdc_history._valid_from(options) }} as valid_from,
        next_committed as next_valid_from,
        next_op is null as is_last
    from plain

    union all

    select
        {{- row_before_first }}
        {{ cdc_history.beginning_of_time() }} as valid_from,
        {{ committed }} as next_valid_from,
        false as is_last
    from plain
    where op_before is null and _cdc_op in ('u', 'd') and _cdc_before_hash is not null
),

versions as (
    select
        {%- for name in told %}
        {{ name }}{{ ' as is_deleted' if name == '_cdc_is_delete' }},
        {%- endfor %}
        {{ cdc_history._version_id(options) }} as {{ names.dbt_scd_id }},
        valid_from as {{ names.dbt_valid_from }},
        case when is_last then {{ options['open_end'] }} else next_valid_from end
            as {{ names.dbt_valid_to }}
    from bounded
)
{% endmacro %}

{#- SQL: since when the version is valid that a change is, if the only read of its key is the first change. -#}
{% macro _valid_from(options) -%}
    case when _cdc_op = 'r' then {{ cdc_history.beginning_of_time() }} else {{ options['committed'] }} end
{%- endmacro %}

{#- SQL: the identity of a version: key, position, operation. -#}
{% macro _version_id(options) %}
    {% set parts = [] %}
    {% for column in options['payload'] if column['name'] in options['key_names'] %}
        {% do parts.append({'expression': column['column'], 'data_type': column['data_type']}) %}
    {% endfor %}
    {% do parts.append({'expression': options['sequence'], 'data_type': 'varchar'}) %}
    {% do parts.append({'expression': '_cdc_op', 'data_type': 'varchar'}) %}
    {% do return(cdc_history.key_hash(parts)) %}
{% endmacro %}
