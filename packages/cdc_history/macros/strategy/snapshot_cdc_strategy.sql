{#-
  dbt finds it by its name; the three macros in snapshot_overrides.sql make dbt's own snapshot
  materialization build from it.
-#}
{% macro snapshot_cdc_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
    {% if not cdc_history._is_cdc() %}
        {% do cdc_history._refuse(
            "strategy is '" ~ config.get('strategy') ~ "'; write strategy: cdc_history.cdc, the name by which"
            ~ " the merge is found") %}
    {% endif %}
    {% set merge = adapter.dispatch('snapshot_merge_sql', 'dbt') %}
    {% if merge.macro.package_name in ['dbt', 'dbt_' ~ target.type] %}
        {% do cdc_history._refuse(
            "dbt's own snapshot macros would be used. On duckdb, redshift and spark dbt_project.yml needs"
            ~ " dispatch: [{macro_namespace: dbt, search_order: [" ~ project_name ~ ", cdc_history, dbt]}];"
            ~ " this is " ~ target.type) %}
    {% endif %}
    {% if invocation_args_dict.get('sample') %}
        {% do cdc_history._refuse("--sample reads a part of the records, and the others would never be read") %}
    {% endif %}
    {% set options = cdc_history._options() %}
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
    {% for name in meta if name.startswith(('sequence', 'apply', 'track', 'arrival')) and name not in allowed %}
        {% do cdc_history._refuse("meta." ~ name ~ " is unknown; allowed: " ~ allowed | join(', ')) %}
    {% endfor %}
    {% for name in allowed if name in model.config %}
        {% do cdc_history._refuse(name ~ " belongs under meta") %}
    {% endfor %}
    {% for name in allowed[2:] if name in meta %}
        {% if meta[name] is string or meta[name] is not sequence or not meta[name] %}
            {% do cdc_history._refuse("meta." ~ name ~ " is " ~ meta[name] | tojson ~ "; allowed: a list of columns") %}
        {% endif %}
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
        'deletes': meta.get('apply_as_deletes'),
        'tracked': meta.get('track_history_column_list'),
        'untracked': meta.get('track_history_except_column_list') or [],
        'arrival': meta.get('arrival_columns'),
        'columns': config.get('snapshot_table_column_names') or get_snapshot_table_column_names(),
        'open_end': config.get('dbt_valid_to_current') or 'cast(null as timestamp)',
    }) %}
{% endmacro %}

{% macro _refuse(problem) %}
    {% do exceptions.raise_compiler_error("snapshot " ~ model.name ~ ", strategy cdc: " ~ problem ~ ".") %}
{% endmacro %}
