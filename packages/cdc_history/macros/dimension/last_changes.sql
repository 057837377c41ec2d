{#-
  SCD type 1: the last change of each key in the source's order, deletes included, with the values that
  are known of the row. An older change that arrives late changes nothing.

  A list of CTEs: in Redshift none may have a WITH of its own (r_WITH_clause).
-#}
{% macro last_changes(name, changes, key, columns, touched=none, tells=[]) %}
{% set allowed = ['_cdc_commit_known', '_cdc_is_absence', '_cdc_commit', '_cdc_not_carried'] %}
{% for told in tells if told not in allowed %}
    {% do exceptions.raise_compiler_error("last_changes: '" ~ told ~ "' is unknown; allowed: " ~ allowed | join(', ')) %}
{% endfor %}
{% set payload = [] %}
{% for column in columns %}
    {% do payload.append({
        'name': column['name'],
        'data_type': column['data_type'] | lower,
        'column': adapter.quote(column['name']),
        'before': adapter.quote('_before_' ~ column['name']),
    }) %}
{% endfor %}
{% set options = {
    'keys': ['_cdc_key'], 'key_names': ['_cdc_key'], 'sequence': '_cdc_position', 'committed': '_cdc_committed_at',
    'payload': payload, 'hashed': payload, 'deletes': "_cdc_op = 'd'", 'runs': true,
    'arrival': ['kafka_timestamp', '_cdc_incarnation', 'kafka_partition', 'kafka_offset'], 'arrival_is_unique': true,
    'floats': '_cdc_commit_known' in tells, 'absences': '_cdc_is_absence' in tells,
    'commits': '_cdc_commit' in tells, 'holes': '_cdc_not_carried' in tells and payload != [],
} %}
{% set records %}
    select
        {{ key }} as _cdc_key,
        changes.*
    from {{ changes }} as changes
    {%- if touched %}
    where {{ key }} in ({{ touched }})
    {%- endif %}
{% endset %}
{% do options.update({'records': records}) %}
{{ cdc_history._settled_changes(options) }},

ranked as (
    select
        settled.*,
        row_number() over (partition by _cdc_key order by _cdc_place desc) as _cdc_rank
    from settled
),

{{ name }} as (
    select
        {%- if not payload %}
        images.*
        {%- else %}
        {%- for column in payload %}
        {%- if options['fills'] %}
        case when filled._cdc_stand is null then images.{{ column['column'] }} else filled.{{ column['column'] }} end
            as {{ column['column'] }},
        {%- else %}
        images.{{ column['column'] }},
        {%- endif %}
        {%- endfor %}
        ranked._cdc_op,
        ranked._cdc_position,
        ranked._cdc_committed_at,
        {%- if options['holes'] %}
        ranked._cdc_not_carried,
        {%- endif %}
        ranked._cdc_row_hash
        {%- endif %}
    from ranked
    inner join ({{ options['records'] }}) as images
        on {{ cdc_history._same_image(options, 'ranked') }}
    {%- if options['fills'] %}
    left join filled
        on ranked._cdc_key = filled._cdc_key and ranked._cdc_place = filled._cdc_stand
    {%- endif %}
    where ranked._cdc_rank = 1
)
{% endmacro %}
