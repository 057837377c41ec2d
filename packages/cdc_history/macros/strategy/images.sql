{#-
  SQL: rows of a history table, in its order of columns, from a relation of versions (without their
  values) and the records that have the values.

  versions  name of a relation as `cdc_versions` makes it
  extra     names of further columns of `versions` to pass on
-#}
{% macro _images(source_sql, options, versions, extra=[]) %}
{% set keys = options['keys'] %}
{% set names = options['columns'] %}
{% set payload = options['relation']['payload'] %}
{% set joined = {options['sequence_by']: 'image_sequence', '_cdc_op': 'image_op', '_cdc_run': 'image_run'} %}
{% for column in options['arrival'] %}{% do joined.update({column: 'image_' ~ column}) %}{% endfor %}
    select
        {%- for column in payload %}
        {{ column['name'] }},
        {%- endfor %}
        {{ options['sequence_by'] }},
        _cdc_op,
        is_deleted,
        {{ options['updated_at'] }},
        _cdc_row_hash,
        {{ '_cdc_row_hash' if options['relation']['tracked'] == payload else cdc_history.row_hash(options['relation']['tracked']) }}
            as _cdc_tracked_hash,
        _cdc_before_hash,
        {{ cdc_history.current_run() }} as _cdc_run,
        {{ names.dbt_scd_id }},
        {{ options['updated_at'] }} as {{ names.dbt_updated_at }},
        {{ names.dbt_valid_from }},
        {{ names.dbt_valid_to }}
        {%- for column in extra %},
        {{ column }}
        {%- endfor %}
    from (
        select
            {%- for column in payload if column['name'] in keys %}
            chosen.{{ column['name'] }},
            {%- endfor %}
            {%- for column in payload if column['name'] not in keys %}
            case when chosen.is_before_image
                then images._before_{{ column['name'] }} else images.{{ column['name'] }}
            end as {{ column['name'] }},
            {%- endfor %}
            chosen.{{ options['sequence_by'] }},
            chosen._cdc_op,
            chosen.is_deleted,
            chosen.{{ options['updated_at'] }},
            chosen._cdc_row_hash,
            chosen._cdc_before_hash,
            chosen.{{ names.dbt_scd_id }},
            chosen.{{ names.dbt_valid_from }},
            chosen.{{ names.dbt_valid_to }}
            {%- for column in extra %},
            chosen.{{ column }}
            {%- endfor %}
        from {{ versions }} as chosen
        inner join ({{ source_sql }}) as images
            on
                {%- for key in keys %}
                {{ 'and ' if not loop.first }}chosen.{{ key }} = images.{{ key }}
                {%- endfor %}
                {%- for column, image in joined.items() %}
                and chosen.{{ image }} = images.{{ column }}
                {%- endfor %}
        {%- if not options['arrival_is_unique'] %}
        qualify
            row_number() over (
                partition by chosen.{{ names.dbt_scd_id }} order by chosen.{{ names.dbt_scd_id }}
            ) = 1
        {%- endif %}
    ) as described
{% endmacro %}

{#- Names under which `cdc_versions` carries the arrival columns of the record that has the values. -#}
{% macro _image_arrival(options) %}
    {% set names = [] %}
    {% for column in options['arrival'] %}{% do names.append('image_' ~ column) %}{% endfor %}
    {% do return(names) %}
{% endmacro %}
