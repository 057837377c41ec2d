{#-
  SQL: rows of a history table, in its order of columns, from a relation of versions (without their
  values) and the records that have the values.

  versions  name of a relation as `_versions` makes it
  extra     names of further columns of `versions` to pass on
  singles   whether the keys that are not in `touched` are one insert or read each, which is their version
-#}
{% macro _images(options, versions, extra=[], singles=false) %}
{% set names = options['columns'] %}
{% set payload = options['payload'] %}
    select
        {%- for column in payload %}
        {{ column['column'] }},
        {%- endfor %}
        {{ options['sequence'] }},
        _cdc_order,
        _cdc_op,
        is_deleted,
        {{ options['committed'] }},
        {%- if options['holes'] %}
        _cdc_not_carried,
        {%- endif %}
        _cdc_row_hash,
        {{ '_cdc_row_hash' if options['tracked'] == options['hashed'] else cdc_history.row_hash(options['tracked']) }}
            as _cdc_tracked_hash,
        _cdc_before_hash,
        {%- if options['runs'] %}
        {{ cdc_history.current_run() }} as _cdc_run,
        {%- endif %}
        {{ names.dbt_scd_id }},
        {{ options['committed'] }} as {{ names.dbt_updated_at }},
        {{ names.dbt_valid_from }},
        {{ names.dbt_valid_to }}
        {%- for column in extra %},
        {{ column }}
        {%- endfor %}
    from (
        select
            {%- for column in payload if column['name'] in options['key_names'] %}
            chosen.{{ column['column'] }},
            {%- endfor %}
            {%- for column in cdc_history._beside_the_key(options) %}
            {%- if options['fills'] %}
            case
                when filled._cdc_stand is not null and chosen.is_before_image then filled.{{ column['before'] }}
                when filled._cdc_stand is not null then filled.{{ column['column'] }}
                when chosen.is_before_image then images.{{ column['before'] }}
                else images.{{ column['column'] }}
            end as {{ column['column'] }},
            {%- else %}
            case when chosen.is_before_image
                then images.{{ column['before'] }} else images.{{ column['column'] }}
            end as {{ column['column'] }},
            {%- endif %}
            {%- endfor %}
            chosen.{{ options['sequence'] }},
            chosen._cdc_order,
            chosen._cdc_op,
            chosen.is_deleted,
            chosen.{{ options['committed'] }},
            {%- if options['holes'] %}
            chosen._cdc_not_carried,
            {%- endif %}
            chosen._cdc_row_hash,
            chosen._cdc_before_hash,
            chosen.{{ names.dbt_scd_id }},
            chosen.{{ names.dbt_valid_from }},
            chosen.{{ names.dbt_valid_to }}
            {%- for column in extra %},
            chosen.{{ column }}
            {%- endfor %}
        from {{ versions }} as chosen
        inner join ({{ cdc_history._image_records(options) }}) as images
            on {{ cdc_history._same_image(options, 'chosen', version=true) }}
        {%- if options['fills'] %}
        left join filled
            on
                {{ cdc_history._same_keys(options['keys'], 'chosen', 'filled') }}
                and chosen.image_sequence = filled.{{ options['sequence'] }}
                and chosen.image_op = filled._cdc_op
        {%- endif %}
        {%- if singles %}

        union all

        select
            {%- for column in payload if column['name'] in options['key_names'] %}
            {{ column['column'] }},
            {%- endfor %}
            {%- for column in cdc_history._beside_the_key(options) %}
            {{ column['column'] }},
            {%- endfor %}
            {{ options['sequence'] }},
            {{ options['sequence'] }} as _cdc_order,
            _cdc_op,
            {{ options['deletes'] }} as is_deleted,
            {{ options['committed'] }},
            {%- if options['holes'] %}
            _cdc_not_carried,
            {%- endif %}
            _cdc_row_hash,
            _cdc_before_hash,
            {{ cdc_history._version_id(options) }} as {{ names.dbt_scd_id }},
            {{ cdc_history._valid_from(options) }} as {{ names.dbt_valid_from }},
            {{ options['open_end'] }} as {{ names.dbt_valid_to }}
        from (
            select changes.*
            from ({{ options['records'] }}) as changes
            left join touched
                on {{ cdc_history._same_keys(options['keys'], 'changes', 'touched') }}
            where touched.{{ options['keys'][0] }} is null
        ) as single_changes
        {%- endif %}
    ) as described
{% endmacro %}

{#- Boolean SQL: `images`, the records, has the values of a row of `alias`; of a version, those that it names. -#}
{% macro _same_image(options, alias, version=false) -%}
    {{ cdc_history._same_keys(options['keys'], alias, 'images') }}
    and {{ alias }}.{{ 'image_sequence' if version else options['sequence'] }} = images.{{ options['sequence'] }}
    and {{ alias }}.{{ 'image_op' if version else '_cdc_op' }} = images._cdc_op
    {#- Somebody's log may not tell how a record arrived, and a unit test does not either. #}
    {%- for name, column in cdc_history._image_columns(options).items() %}
    and not {{ cdc_history.differs(alias ~ '.' ~ name, 'images.' ~ column) }}
    {%- endfor %}
{%- endmacro %}

{#- SQL: the records, of those that nothing tells apart one: their values are the same. -#}
{% macro _image_records(options) %}
{% if options['arrival_is_unique'] %}{{ return(options['records']) }}{% endif %}
{% set told_apart = options['keys'] + [options['sequence'], '_cdc_op'] + cdc_history._image_columns(options).values() | list %}
select *
from (
    select
        changes.*,
        row_number() over (partition by {{ told_apart | join(', ') }} order by {{ options['sequence'] }}) as _cdc_copy
    from ({{ options['records'] }}) as changes
) as copies
where _cdc_copy = 1
{% endmacro %}

{#-
  What tells the records of one change apart: names under which `_versions` carries the columns, and the columns.
  It carries the change too, `image_sequence` and `image_op`, from where a version may have another's values.
-#}
{% macro _image_columns(options) %}
    {% set columns = {} %}
    {% if options['runs'] %}{% do columns.update({'image_run': '_cdc_run'}) %}{% endif %}
    {% for column in options['arrival'] %}
        {% do columns.update({'image_arrival_' ~ loop.index: adapter.quote(column)}) %}
    {% endfor %}
    {% do return(columns) %}
{% endmacro %}
