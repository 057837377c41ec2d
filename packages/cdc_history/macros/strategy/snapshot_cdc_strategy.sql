{#-
  Snapshot strategy `cdc`: the snapshot keeps every committed version of every row, computed from a
  relation of change records (docs/semantics.md). dbt finds it by its name; the three macros in
  snapshot_overrides.sql make dbt's own snapshot materialization build from it.
-#}
{% macro snapshot_cdc_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {% set options = cdc_history._options() %}
    {% if invocation_args_dict.get('sample') %}
        {% do cdc_history._refuse("--sample reads a part of the records, and the others would never be read") %}
    {% endif %}
    {% do return({
        'name': 'cdc',
        'unique_key': config.get('unique_key'),
        'updated_at': options['updated_at'],
        'row_changed': 'false',
        'scd_id': 'dbt_scd_id',
        'invalidate_hard_deletes': false,
        'hard_deletes': 'ignore',
        'options': options,
    }) %}
{% endmacro %}

{#- The snapshot's configuration, checked: what is missing or wrong is refused with what is allowed. -#}
{% macro _options() %}
    {% set meta = config.get('meta') or {} %}
    {% set allowed = [
        'sequence_by', 'apply_as_deletes', 'track_history_column_list',
        'track_history_except_column_list', 'arrival_columns',
    ] %}
    {% for name in meta if name.startswith(('sequence', 'apply_', 'track_', 'arrival')) and name not in allowed %}
        {% do cdc_history._refuse("meta." ~ name ~ " is unknown; allowed: " ~ allowed | join(', ')) %}
    {% endfor %}
    {% if not config.get('updated_at') %}
        {% do cdc_history._refuse("updated_at is missing: the column with the commit time") %}
    {% endif %}
    {% if not meta.get('sequence_by') %}
        {% do cdc_history._refuse("meta.sequence_by is missing: the column that orders the changes of a row") %}
    {% endif %}
    {% if meta.get('track_history_column_list') and meta.get('track_history_except_column_list') %}
        {% do cdc_history._refuse(
            "both meta.track_history_column_list and meta.track_history_except_column_list are set;"
            ~ " allowed: one of them, or none to track every column") %}
    {% endif %}
    {% if config.get('hard_deletes') not in [none, 'ignore'] or config.get('check_cols') %}
        {% do cdc_history._refuse(
            "hard_deletes and check_cols belong to other strategies; deletes are changes here:"
            ~ " see meta.apply_as_deletes") %}
    {% endif %}
    {% set key = config.get('unique_key') %}
    {% do return({
        'keys': [key] if key is string else key,
        'updated_at': config.get('updated_at'),
        'sequence_by': meta['sequence_by'],
        'deletes': meta.get('apply_as_deletes', "_cdc_op = 'd'"),
        'tracked': meta.get('track_history_column_list'),
        'untracked': meta.get('track_history_except_column_list') or [],
        'arrival': meta.get(
            'arrival_columns',
            ['kafka_timestamp', '_cdc_incarnation', 'kafka_partition', 'kafka_offset']
        ),
        'arrival_is_unique': 'arrival_columns' not in meta,
        'columns': config.get('snapshot_table_column_names') or get_snapshot_table_column_names(),
        'open_end': config.get('dbt_valid_to_current') or 'cast(null as timestamp)',
    }) %}
{% endmacro %}

{% macro _refuse(problem) %}
    {% do exceptions.raise_compiler_error("snapshot " ~ model.name ~ ", strategy cdc: " ~ problem ~ ".") %}
{% endmacro %}

{#-
  The columns of the change relation, as dicts of name and data_type: `payload` (what history keeps)
  and `tracked` (what a dimension's version depends on).
-#}
{% macro _columns(source_sql, options) %}
    {% set own = [
        options['sequence_by'], options['updated_at'], '_cdc_op', '_cdc_commit_known', '_cdc_row_hash',
        '_cdc_before_hash', '_cdc_run', 'is_deleted',
    ] + options['arrival'] %}
    {% set found = [] %}
    {% set payload = [] %}
    {% for column in get_column_schema_from_query(source_sql) %}
        {% do found.append(column.name) %}
        {% if column.name not in own and not column.name.startswith(('_before_', '_cdc_', 'kafka_')) %}
            {% do payload.append({'name': column.name, 'data_type': column.data_type | lower}) %}
        {% endif %}
    {% endfor %}
    {% set names = payload | map(attribute='name') | list %}
    {% for name in own if name not in found and name != 'is_deleted' %}
        {% do cdc_history._refuse("the relation has no column " ~ name ~ "; it has " ~ found | join(', ')) %}
    {% endfor %}
    {% for name in names if '_before_' ~ name not in found %}
        {% do cdc_history._refuse("the relation has no column _before_" ~ name ~ " with the before image of " ~ name) %}
    {% endfor %}
    {% for name in options['keys'] + (options['tracked'] or []) + options['untracked'] if name not in names %}
        {% do cdc_history._refuse("column " ~ name ~ " is not in the relation; it has " ~ names | join(', ')) %}
    {% endfor %}
    {% set tracked = [] %}
    {% for column in payload %}
        {% if (column['name'] in options['tracked'] if options['tracked'] else column['name'] not in options['untracked']) %}
            {% do tracked.append(column) %}
        {% endif %}
    {% endfor %}
    {% do return({'payload': payload, 'tracked': tracked}) %}
{% endmacro %}

{#- Names of the columns of a history, in their order. -#}
{% macro _history_columns(options) %}
    {% set names = options['columns'] %}
    {% do return(options['relation']['payload'] | map(attribute='name') | list + [
        options['sequence_by'], '_cdc_op', 'is_deleted', options['updated_at'], '_cdc_row_hash',
        '_cdc_tracked_hash', '_cdc_before_hash', '_cdc_run', names.dbt_scd_id, names.dbt_updated_at,
        names.dbt_valid_from, names.dbt_valid_to,
    ]) %}
{% endmacro %}
