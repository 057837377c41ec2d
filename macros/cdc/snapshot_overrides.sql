{#-
  What dbt's snapshot materialization calls, for strategy `cdc`; every other strategy gets the
  adapter's own macro, or dbt's default where the adapter has none. Adapter prefixes only: a
  `default__` of the root project would shadow the adapters' own macros for all strategies.
-#}

{% macro duckdb__build_snapshot_table(strategy, sql) %}
    {% if strategy.name != 'cdc' %}{{ return(dbt.default__build_snapshot_table(strategy, sql)) }}{% endif %}
    {{ cdc_first_build_sql(strategy, sql) }}
{% endmacro %}

{% macro redshift__build_snapshot_table(strategy, sql) %}
    {% if strategy.name != 'cdc' %}{{ return(dbt.default__build_snapshot_table(strategy, sql)) }}{% endif %}
    {{ cdc_first_build_sql(strategy, sql) }}
{% endmacro %}

{% macro duckdb__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {% if strategy.name != 'cdc' %}
        {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, target_relation)) }}
    {% endif %}
    {{ cdc_staging_sql(strategy, source_sql, target_relation) }}
{% endmacro %}

{% macro redshift__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {% if strategy.name != 'cdc' %}
        {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, target_relation)) }}
    {% endif %}
    {{ cdc_staging_sql(strategy, source_sql, target_relation) }}
{% endmacro %}

{% macro duckdb__snapshot_merge_sql(target, source, insert_cols) %}
    {% if config.get('strategy') != 'cdc' %}
        {{ return(dbt.duckdb__snapshot_merge_sql(target, source, insert_cols)) }}
    {% endif %}
    {{ cdc_merge_sql(target, source, insert_cols) }}
{% endmacro %}

{% macro redshift__snapshot_merge_sql(target, source, insert_cols) %}
    {% if config.get('strategy') != 'cdc' %}
        {{ return(dbt.redshift__snapshot_merge_sql(target, source, insert_cols)) }}
    {% endif %}
    {{ cdc_merge_sql(target, source, insert_cols) }}
{% endmacro %}

{#- The first build: every version of every key. -#}
{% macro cdc_first_build_sql(strategy, source_sql) %}
    {% set options = strategy.options %}
    with {{ cdc_versions(source_sql, options, cdc_columns(source_sql, options)) }}
    select * from versions
{% endmacro %}

{#-
  A later build: the versions of the keys that have new records, against what the table holds of
  them. dbt's own snapshots ignore --full-refresh; here it computes every key from the log again.
-#}
{% macro cdc_staging_sql(strategy, source_sql, target_relation) %}
    {% set options = strategy.options %}
    {% set columns = cdc_columns(source_sql, options) %}
    {% set names = options['columns'] %}
    {% set touched_by = none if flags.FULL_REFRESH
        else '_cdc_run > ' ~ consumed_run(target_relation, incremental=true) %}
    {% set bounds = [names.dbt_valid_from, names.dbt_valid_to] %}
    {% set compared = bounds
        + ['_cdc_row_hash', '_cdc_tracked_hash', '_cdc_before_hash', options['updated_at']] %}
    with {{ cdc_versions(source_sql, options, columns, touched_by) }},

    existing as (
        select
            {%- for key in options['keys'] %}
            kept_before.{{ key }},
            {%- endfor %}
            {%- for name in compared %}
            kept_before.{{ name }},
            {%- endfor %}
            kept_before.{{ names.dbt_scd_id }}
        from {{ target_relation }} as kept_before
        {%- if touched_by %}
        inner join touched
            on
                {% for key in options['keys'] -%}
                {{ 'and ' if not loop.first }}kept_before.{{ key }} = touched.{{ key }}
                {% endfor -%}
        {%- endif %}
    )

    select
        {%- for column in columns['payload'] %}
        {%- if column['name'] in options['keys'] %}
        coalesce(versions.{{ column['name'] }}, existing.{{ column['name'] }}) as {{ column['name'] }},
        {%- else %}
        versions.{{ column['name'] }},
        {%- endif %}
        {%- endfor %}
        versions.{{ options['sequence_by'] }},
        versions._cdc_op,
        versions.is_deleted,
        versions.{{ options['updated_at'] }},
        versions._cdc_row_hash,
        versions._cdc_tracked_hash,
        versions._cdc_before_hash,
        versions._cdc_run,
        coalesce(versions.{{ names.dbt_scd_id }}, existing.{{ names.dbt_scd_id }}) as {{ names.dbt_scd_id }},
        versions.{{ names.dbt_updated_at }},
        versions.{{ names.dbt_valid_from }},
        versions.{{ names.dbt_valid_to }},
        case
            when existing.{{ names.dbt_scd_id }} is null then 'insert'
            when versions.{{ names.dbt_scd_id }} is null then 'delete'
            else 'update'
        end as dbt_change_type
    from versions
    full outer join existing
        on versions.{{ names.dbt_scd_id }} = existing.{{ names.dbt_scd_id }}
    where
        existing.{{ names.dbt_scd_id }} is null
        or versions.{{ names.dbt_scd_id }} is null
        {%- for name in compared %}
        or {{ differs('versions.' ~ name, 'existing.' ~ name) }}
        {%- endfor %}
{% endmacro %}

{#- Stock merges skip closed rows; a late change moves the bounds of closed ones too. -#}
{% macro cdc_merge_sql(target, source, insert_cols) %}
    {% set names = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() %}
    {% set insert_list = insert_cols | join(', ') %}
    delete from {{ target }}
    where {{ names.dbt_scd_id }} in (
        select {{ names.dbt_scd_id }} from {{ source }} where dbt_change_type in ('update', 'delete')
    );

    insert into {{ target }} ({{ insert_list }})
    select {{ insert_list }}
    from {{ source }}
    where dbt_change_type in ('insert', 'update');
{% endmacro %}
