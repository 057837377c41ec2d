{#-
  Looks at the change relation and completes `options` with what follows from its columns:

  payload   the columns that history keeps, dicts of name, data_type, and as written in SQL: column, before
  hashed    those of them that the row's hash is of: all but a key's column whose name begins with _, which
            is made of others (a key in one spelling)
  tracked   those that a dimension's version depends on
  keys, sequence, committed   as written in SQL; key_names as they are
  records   SQL: the relation, with what may be left out of it
  arrival   the columns of which the greatest tell which delivery of a change stands
  runs      whether records carry run numbers; without them a build reads what history lacks
  floats, absences, commits, holes   whether they say which commits' places are known, which deletes were concluded, which commit they belong to,
            and what their images do not carry
-#}
{% macro _look_at_records(source_sql, options) %}
    {% set kafka = ['kafka_timestamp', '_cdc_incarnation', 'kafka_partition', 'kafka_offset'] %}
    {% set found = get_column_schema_from_query(source_sql) %}
    {% set has = found | map(attribute='name') | list %}
    {% set from_kafka = options['arrival'] is none and kafka | reject('in', has) | list == [] %}
    {#- Kafka's coordinates tell all records apart; others need not, equal hashes are equal values -#}
    {% set arrival = kafka if from_kafka else (options['arrival'] or []) + ['_cdc_row_hash'] %}
    {% set required = [options['sequence_by'], options['updated_at']] + (options['arrival'] or []) %}
    {% for name in required if name not in has %}
        {% do cdc_history._refuse("the relation has no column " ~ name ~ "; it has " ~ has | join(', ')) %}
    {% endfor %}
    {% set payload = [] %}
    {% for column in found
        if column.name not in required + ['is_deleted']
        and not column.name.startswith(('_before_', '_cdc_', 'kafka_')) %}
        {% do payload.append({
            'name': column.name,
            'data_type': column.data_type | lower,
            'column': adapter.quote(column.name),
            'before': adapter.quote('_before_' ~ column.name),
        }) %}
    {% endfor %}
    {% set hashed = [] %}
    {% for column in payload if not (column['name'].startswith('_') and column['name'] in options['keys']) %}
        {% do hashed.append(column) %}
    {% endfor %}
    {% set names = payload | map(attribute='name') | list %}
    {% set befores = [] %}
    {% for name in names if '_before_' ~ name in has %}{% do befores.append('_before_' ~ name) %}{% endfor %}
    {% for name in names if befores and '_before_' ~ name not in has %}
        {% do cdc_history._refuse(
            "the relation has no column _before_" ~ name ~ " with the before image of " ~ name
            ~ ", but " ~ befores | join(', ')) %}
    {% endfor %}
    {% for name in options['keys'] + (options['tracked'] or []) + options['untracked'] if name not in names %}
        {% do cdc_history._refuse("column " ~ name ~ " is not in the relation; it has " ~ names | join(', ')) %}
    {% endfor %}
    {% set tracked = [] %}
    {% for column in payload
        if (column['name'] in options['tracked'] if options['tracked'] else column['name'] not in options['untracked']) %}
        {% do tracked.append(column) %}
    {% endfor %}
    {% set records %}
        {%- if ['_cdc_op', '_cdc_row_hash', '_cdc_before_hash'] | reject('in', has) | list -%}
        select
            changes.*
            {%- if '_cdc_op' not in has %},
            case when {{ options['deletes'] or 'false' }} then 'd' else 'u' end as _cdc_op
            {%- endif %}
            {%- if '_cdc_row_hash' not in has %},
            {{ cdc_history.row_hash(hashed) }} as _cdc_row_hash
            {%- endif %}
            {%- if '_cdc_before_hash' not in has and befores %},
            case
                when {{ adapter.quote('_before_' ~ options['keys'][0]) }} is not null
                    then {{ cdc_history.row_hash(hashed, '_before_') }}
            end as _cdc_before_hash
            {%- elif '_cdc_before_hash' not in has %},
            cast(null as varchar(32)) as _cdc_before_hash
            {%- endif %}
            {%- for column in payload if not befores %},
            {{ column['column'] }} as {{ column['before'] }}
            {%- endfor %}
        from ({{ source_sql }}) as changes
        {%- else -%}
        {{ source_sql }}
        {%- endif -%}
    {% endset %}
    {% set keys = [] %}
    {% for name in options['keys'] %}{% do keys.append(adapter.quote(name)) %}{% endfor %}
    {% do options.update({
        'keys': keys, 'key_names': options['keys'],
        'sequence': adapter.quote(options['sequence_by']), 'committed': adapter.quote(options['updated_at']),
        'payload': payload, 'hashed': hashed, 'tracked': tracked, 'records': records, 'arrival': arrival,
        'arrival_is_unique': from_kafka, 'runs': '_cdc_run' in has, 'floats': '_cdc_commit_known' in has,
        'absences': '_cdc_is_absence' in has,
        'holes': '_cdc_not_carried' in has, 'commits': '_cdc_commit' in has,
        'deletes': options['deletes'] or "_cdc_op = 'd'",
    }) %}
{% endmacro %}
