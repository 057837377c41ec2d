{#-
  What dbt's snapshot materialization calls, for strategy `cdc`; every other strategy gets the
  adapter's own macro, or dbt's default where the adapter has none. Adapter prefixes only: a
  `default__` of the root project would shadow the adapters' own macros for all strategies.
-#}

{% macro duckdb__build_snapshot_table(strategy, sql) %}
    {% if not cdc_history._is_cdc() %}{{ return(dbt.default__build_snapshot_table(strategy, sql)) }}{% endif %}
    {{ cdc_history._first_build_sql(strategy, sql) }}
{% endmacro %}

{% macro redshift__build_snapshot_table(strategy, sql) %}
    {% if not cdc_history._is_cdc() %}{{ return(dbt.default__build_snapshot_table(strategy, sql)) }}{% endif %}
    {{ cdc_history._first_build_sql(strategy, sql) }}
{% endmacro %}

{% macro spark__build_snapshot_table(strategy, sql) %}
    {% if not cdc_history._is_cdc() %}{{ return(dbt.default__build_snapshot_table(strategy, sql)) }}{% endif %}
    {{ cdc_history._first_build_sql(strategy, cdc_history._named_records(sql)) }}
{% endmacro %}

{% macro duckdb__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, target_relation)) }}
    {% endif %}
    {{ cdc_history._staging_sql(strategy, source_sql, target_relation) }}
{% endmacro %}

{% macro redshift__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, target_relation)) }}
    {% endif %}
    {{ cdc_history._staging_sql(strategy, source_sql, target_relation) }}
{% endmacro %}

{% macro spark__snapshot_staging_table(strategy, source_sql, target_relation) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.default__snapshot_staging_table(strategy, source_sql, target_relation)) }}
    {% endif %}
    {{ cdc_history._staging_sql(strategy, cdc_history._named_records(source_sql), target_relation) }}
{% endmacro %}

{#- A relation that is ephemeral comes with its query, which would be written out wherever records are read. -#}
{% macro _named_records(source_sql) %}
    {% set name = this.identifier ~ '__records' %}
    {% do run_query('create or replace temporary view ' ~ name ~ ' as ' ~ source_sql) %}
    {% do return('select * from ' ~ name) %}
{% endmacro %}

{#- The staging query of a snapshot: catalogs of Iceberg have no views, and of a temporary one nothing is left over. -#}
{% macro spark__create_view_as(relation, sql) %}
    {% if not cdc_history._is_cdc() %}{{ return(dbt.spark__create_view_as(relation, sql)) }}{% endif %}
    create or replace temporary view {{ relation.include(schema=false) }} as
    {{ sql }}
{% endmacro %}

{% macro duckdb__snapshot_merge_sql(target, source, insert_cols) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.duckdb__snapshot_merge_sql(target, source, insert_cols)) }}
    {% endif %}
    {{ cdc_history._merge_sql(target, source, insert_cols) }}
{% endmacro %}

{% macro redshift__snapshot_merge_sql(target, source, insert_cols) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.redshift__snapshot_merge_sql(target, source, insert_cols)) }}
    {% endif %}
    {#-
      By default an UPDATE that finds two rows for one takes any of them. There are never two: a version's
      id is its key, position and operation, of which _versions keeps one delivery each.
    -#}
    set error_on_nondeterministic_update to true;
    {{ cdc_history._merge_sql(target, source, insert_cols) }}
{% endmacro %}

{#- Without transactions a history changes in one statement, or not at all. -#}
{% macro spark__snapshot_merge_sql(target, source, insert_cols) %}
    {% if not cdc_history._is_cdc() %}
        {{ return(dbt.spark__snapshot_merge_sql(target, source, insert_cols)) }}
    {% endif %}
    {% set names = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() %}
    {% set moved = [names.dbt_valid_to] + (['_cdc_run'] if adapter.quote('_cdc_run') in insert_cols else []) %}
    merge into {{ target }} as history
    using {{ source.include(schema=false) }} as staged
        on history.{{ names.dbt_scd_id }} = staged.{{ names.dbt_scd_id }}
    when matched and staged.dbt_change_type = 'delete' then delete
    when matched and staged.dbt_change_type = 'end' then update set
        {%- for column in moved %}
        {{ column }} = staged.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when matched then update set
        {%- for column in insert_cols %}
        {{ column }} = staged.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched then insert ({{ insert_cols | join(', ') }})
        values ({% for column in insert_cols %}staged.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
{% endmacro %}

{#- The first build: every version of every key. -#}
{% macro _first_build_sql(strategy, source_sql) %}
    {% do cdc_history._look_at_records(source_sql, strategy.options) %}
    {{ cdc_history.with_steps(cdc_history._versions(strategy.options, touched_by='several')) }}
    {{ cdc_history._images(strategy.options, 'versions', singles=true) }}
{% endmacro %}

{#- dbt asks for the staging query twice, once to describe it; it is written once. -#}
{% macro _staging_sql(strategy, source_sql, target_relation) %}
    {% if 'staging_sql' not in strategy %}
        {% do cdc_history._look_at_records(source_sql, strategy.options) %}
        {% do strategy.update({'staging_sql': cdc_history._changes_sql(strategy.options, target_relation)}) %}
    {% endif %}
    {{ return(strategy['staging_sql']) }}
{% endmacro %}

{#-
  SQL condition on the records: those that this build has to read. Without run numbers these are the
  changes that history lacks; a plain maximum would lose what commits later or comes late.
-#}
{% macro _is_new(options, target_relation) %}
    {%- if options['runs'] -%}
    _cdc_run > {{ cdc_history.consumed_run(target_relation, incremental=true) }}
    {%- else -%}
    not exists (
        select 1
        from {{ target_relation }} as kept_before
        where
            {%- for column in options['keys'] + [options['sequence'], '_cdc_op'] %}
            {{ 'and ' if not loop.first }}kept_before.{{ column }} = changes.{{ column }}
            {%- endfor %}
    )
    {%- endif -%}
{% endmacro %}

{#-
  A later build: the versions of the keys that have new records, against what the table holds of
  them. dbt's own snapshots ignore --full-refresh; here it computes every key from the log again.

  dbt_change_type  insert: a new version. end: only valid_to differs, the common case, which needs none
                   of the row's values. replace: anything else differs. delete: no version any more.
  dbt_unique_key   where the row is in the table (_row_locator); dbt leaves a column of this name out
                   of the snapshot, its own staging tables have one
-#}
{% macro _changes_sql(options, target_relation) %}
    {% set names = options['columns'] %}
    {% set keys = options['keys'] %}
    {% set whole = flags.FULL_REFRESH %}
    {% set touched_by = none if whole else cdc_history._is_new(options, target_relation) %}
    {% set compared = [
        names.dbt_valid_from, options['committed'], '_cdc_order', '_cdc_row_hash', '_cdc_before_hash',
    ] + (['_cdc_not_carried'] if options['holes'] else []) %}
    {% set steps %}
    {{- cdc_history._versions(options, touched_by) }},

    existing as (
        select
            {%- for name in keys + compared %}
            kept_before.{{ name }},
            {%- endfor %}
            kept_before.{{ names.dbt_valid_to }},
            kept_before._cdc_tracked_hash,
            kept_before.{{ names.dbt_scd_id }},
            kept_before.{{ cdc_history._row_locator(names.dbt_scd_id) }} as dbt_unique_key
        from {{ target_relation }} as kept_before
        {%- if touched_by %}
        where {{ cdc_history._is_touched('kept_before', target_relation, keys) }}
        {%- endif %}
    ),

    changed as (
        select
            {%- for key in keys %}
            coalesce(versions.{{ key }}, existing.{{ key }}) as {{ key }},
            {%- endfor %}
            coalesce(versions.{{ names.dbt_scd_id }}, existing.{{ names.dbt_scd_id }})
                as {{ names.dbt_scd_id }},
            versions.{{ options['sequence'] }},
            versions._cdc_order,
            versions._cdc_op,
            versions.is_deleted,
            versions.{{ options['committed'] }},
            {%- if options['holes'] %}
            versions._cdc_not_carried,
            {%- endif %}
            versions._cdc_row_hash,
            versions._cdc_before_hash,
            versions.{{ names.dbt_valid_from }},
            versions.{{ names.dbt_valid_to }},
            versions.is_before_image,
            versions.image_sequence,
            versions.image_op,
            {%- for name in cdc_history._image_columns(options) %}
            versions.{{ name }},
            {%- endfor %}
            existing._cdc_tracked_hash as tracked_hash_before,
            existing.dbt_unique_key,
            case
                when existing.{{ names.dbt_scd_id }} is null then 'insert'
                when versions.{{ names.dbt_scd_id }} is null then 'delete'
                when {% for name in compared %}{{ 'or ' if not loop.first }}{{ cdc_history.differs('versions.' ~ name, 'existing.' ~ name) }}
                    {% endfor -%}
                    then 'replace'
                when {{ cdc_history.differs('versions.' ~ names.dbt_valid_to, 'existing.' ~ names.dbt_valid_to) }} then 'end'
                else 'none'
            end as dbt_change_type
        from versions
        full outer join existing
            on versions.{{ names.dbt_scd_id }} = existing.{{ names.dbt_scd_id }}
    ),

    with_values as (
        select *
        from changed
        where dbt_change_type in ({{ "'insert', 'replace', 'end', 'none'" if whole else "'insert', 'replace'" }})
    ),

    described as (
        {{ cdc_history._images(
            options, 'with_values',
            ['dbt_unique_key', 'tracked_hash_before', 'dbt_change_type']
        ) }}
    )
    {% endset %}
    {{ cdc_history.with_steps(steps) }}

    select
        {%- for name in cdc_history._history_columns(options) %}
        described.{{ name }},
        {%- endfor %}
        described.dbt_unique_key,
        {%- if whole %}
        -- what is tracked may have changed since the row was written
        case
            when described.dbt_change_type in ('end', 'none')
                and {{ cdc_history.differs('described._cdc_tracked_hash', 'described.tracked_hash_before') }} then 'replace'
            else described.dbt_change_type
        end as dbt_change_type
        {%- else %}
        described.dbt_change_type
        {%- endif %}
    from described
    {%- if whole %}
    where
        described.dbt_change_type <> 'none'
        or {{ cdc_history.differs('described._cdc_tracked_hash', 'described.tracked_hash_before') }}
    {%- endif %}

    union all

    select
        {%- for column in options['payload'] %}
        {%- if column['name'] in options['key_names'] %}
        changed.{{ column['column'] }},
        {%- else %}
        cast(null as {{ column['data_type'] }}) as {{ column['column'] }},
        {%- endif %}
        {%- endfor %}
        changed.{{ options['sequence'] }},
        changed._cdc_order,
        changed._cdc_op,
        changed.is_deleted,
        changed.{{ options['committed'] }},
        {%- if options['holes'] %}
        changed._cdc_not_carried,
        {%- endif %}
        changed._cdc_row_hash,
        cast(null as varchar(32)) as _cdc_tracked_hash,
        changed._cdc_before_hash,
        {%- if options['runs'] %}
        {{ cdc_history.current_run() }} as _cdc_run,
        {%- endif %}
        changed.{{ names.dbt_scd_id }},
        changed.{{ options['committed'] }} as {{ names.dbt_updated_at }},
        changed.{{ names.dbt_valid_from }},
        changed.{{ names.dbt_valid_to }},
        changed.dbt_unique_key,
        changed.dbt_change_type
    from changed
    where changed.dbt_change_type in ({{ "'delete'" if whole else "'delete', 'end'" }})
{% endmacro %}

{#- Stock merges skip closed rows; a late change moves the bounds of closed ones too. -#}
{% macro _merge_sql(target, source, insert_cols) %}
    {% set names = config.get('snapshot_table_column_names') or get_snapshot_table_column_names() %}
    {% set locator = cdc_history._row_locator(names.dbt_scd_id) %}
    {% set insert_list = insert_cols | join(', ') %}
    delete from {{ target }}
    where {{ locator }} in (
        select dbt_unique_key from {{ source }} where dbt_change_type in ('replace', 'delete')
    );

    update {{ target }} as history
    set
        {%- if adapter.quote('_cdc_run') in insert_cols %}
        _cdc_run = ended._cdc_run,
        {%- endif %}
        {{ names.dbt_valid_to }} = ended.{{ names.dbt_valid_to }}
    from {{ source }} as ended
    where
        history.{{ locator }} = ended.dbt_unique_key
        and ended.dbt_change_type = 'end';

    insert into {{ target }} ({{ insert_list }})
    select {{ insert_list }}
    from {{ source }}
    where dbt_change_type in ('insert', 'replace');
{% endmacro %}

{#-
  What finds a row of the snapshot again in the same transaction. DuckDB has row numbers; the hashes of a
  large table are the costliest column there is to scan.
-#}
{% macro _row_locator(version_id) %}{{ return(adapter.dispatch('_row_locator', 'cdc_history')(version_id)) }}{% endmacro %}
{% macro duckdb___row_locator(version_id) %}{{ return('rowid') }}{% endmacro %}
{% macro default___row_locator(version_id) %}{{ return(version_id) }}{% endmacro %}

{#-
  Boolean SQL: the row `alias` of `relation` has one of the keys in `touched`. DuckDB scans the keys
  first and then only what the rows found need.
-#}
{% macro _is_touched(alias, relation, keys) %}
    {{ return(adapter.dispatch('_is_touched', 'cdc_history')(alias, relation, keys)) }}
{% endmacro %}
{% macro duckdb___is_touched(alias, relation, keys) -%}
    {%- set names = keys | join(', ') -%}
    {{ alias }}.rowid in (
        select candidate.rowid
        from {{ relation }} as candidate
        where ({{ names }}) in (select {{ names }} from touched)
    )
{%- endmacro %}
{% macro default___is_touched(alias, relation, keys) -%}
    (
        {%- for key in keys %}{{ alias }}.{{ key }}{{ ', ' if not loop.last }}{% endfor -%}
    ) in (
        select {% for key in keys %}touched.{{ key }}{{ ', ' if not loop.last }}{% endfor %} from touched
    )
{%- endmacro %}

{#- Names of the columns of a history as written in SQL, in their order. -#}
{% macro _history_columns(options) %}
    {% set names = options['columns'] %}
    {% do return(options['payload'] | map(attribute='column') | list + [
        options['sequence'], '_cdc_order', '_cdc_op', 'is_deleted', options['committed'],
    ] + (['_cdc_not_carried'] if options['holes'] else []) + [
        '_cdc_row_hash', '_cdc_tracked_hash', '_cdc_before_hash',
    ] + (['_cdc_run'] if options['runs'] else []) + [
        names.dbt_scd_id, names.dbt_updated_at, names.dbt_valid_from, names.dbt_valid_to,
    ]) %}
{% endmacro %}
