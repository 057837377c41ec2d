{#-
  On Redshift the ledger's new entries are copied into operations.ledger, so that all logs of a run see
  the same end of it, and the folders that they name become partitions of the Spectrum tables (an
  external table's statements commit by themselves, so this cannot happen inside a model).
-#}
{% macro redshift__prepare_landing() %}
    {#- lakehouse/warehouse/landing_tables.py gives them these properties, and says why -#}
    {% set unguarded = [] %}
    {% for row in run_query(
        "select tablename, lower(parameters) from svv_external_tables where schemaname = '" ~ _landing_schema()
        ~ "' order by tablename").rows if row[0] in landing_tables() %}
        {% set properties = fromjson(row[1] or '{}', {}) %}
        {% if properties.get('data_cleansing_enabled') != 'true' or properties.get('surplus_bytes_handling') != 'fail' %}
            {% do unguarded.append(row[0]) %}
        {% endif %}
    {% endfor %}
    {% if unguarded %}
        {% do cdc_history.refuse_run(
            "external tables of " ~ _landing_schema() ~ " would give null for a long value, which is a delete's"
            ~ " tombstone: " ~ unguarded | join(', ') ~ ". `lakehouse warehouse deploy --target " ~ target.name
            ~ "` makes them anew; then build again."
        ) %}
    {% endif %}
    {% for statement in _copy_ledger_statements() %}
        {% do run_query(statement) %}
    {% endfor %}
    {% for table, folders in _unregistered_folders().items() %}
        {% for batch in folders | batch(100) %}
            {% do run_query(_add_partitions_sql(table, batch)) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}

{#-
  The ledger as a table of Redshift's own; entries are never changed, only those of new commits are
  copied, up to the first that is missing: a listing may show one and not the one before it. Commits are
  removed a day after a roll-up holds them too: a warehouse that is new, or was away for longer, begins again
  with the newest roll-up.
-#}
{% macro _copy_ledger_statements() %}
    {% set ledger = cdc_history.operations_relation('ledger') %}
    {% set create_table %}
        create table if not exists {{ ledger }} (
            ledger_file varchar(1024),
            table_name varchar(128),
            topic varchar(249),
            topic_id varchar(64),
            incarnation integer,
            kafka_partition bigint,
            from_offset bigint,
            until_offset bigint,
            row_count bigint,
            kind varchar(10),
            committed_at varchar(40),
            landing_date date
        )
        diststyle all
        sortkey (table_name)
    {% endset %}
    {% set copied_until %}
        (select coalesce(max(copied.ledger_file), '') from {{ ledger }} as copied)
    {% endset %}
    {% set forget_if_behind %}
        delete from {{ ledger }}
        where
            (
                select min({{ _commit_number('written."$path"') }})
                from {{ _landing_schema() }}.ledger as written
                where
                    written."$path" not like '%/rolled/%'
                    and written."$path" > {{ copied_until }}
            ) > (
                select max({{ _commit_number('copied.ledger_file') }}) + 1
                from {{ ledger }} as copied
            )
    {% endset %}
    {% set copy_newest_roll_up %}
        {{ _copy_entries_sql("replace(written.\"$path\", '/rolled/', '/')") }}
        where
            written."$path" = (
                select max(newest."$path")
                from {{ _landing_schema() }}.ledger as newest
                where newest."$path" like '%/rolled/%'
            )
            and not exists (select 1 from {{ ledger }} as copied)
    {% endset %}
    {% set copy_commits %}
        {{ _copy_entries_sql('written."$path"') }}
        where
            written."$path" in (
                select numbered.path
                from (
                    select
                        listed.path,
                        row_number() over (order by listed.path) as place
                    from (
                        select distinct written."$path" as path
                        from {{ _landing_schema() }}.ledger as written
                        where written."$path" not like '%/rolled/%' and written."$path" > {{ copied_until }}
                    ) as listed
                ) as numbered
                where
                    {{ _commit_number('numbered.path') }} = numbered.place + (
                        select coalesce(max({{ _commit_number('copied.ledger_file') }}), 0)
                        from {{ ledger }} as copied
                    )
            )
    {% endset %}
    {% do return([create_table, forget_if_behind, copy_newest_roll_up, copy_commits]) %}
{% endmacro %}

{#- SQL: the number of the commit whose file's path is `path`. -#}
{% macro _commit_number(path) %}
    {%- do return('cast(left(right(' ~ path ~ ', 26), 20) as bigint)') -%}
{% endmacro %}

{#- The statement that copies the ledger's files; `path` is what is entered as theirs. -#}
{% macro _copy_entries_sql(path) %}
        insert into {{ cdc_history.operations_relation('ledger') }} (
            ledger_file, table_name, topic, topic_id, incarnation, kafka_partition, from_offset,
            until_offset, row_count, kind, committed_at, landing_date
        )
        select
            {{ path }},
            written."table",
            written.topic,
            written.topic_id,
            written.incarnation,
            written.kafka_partition,
            written.from_offset,
            written.until_offset,
            written."rows",
            written.kind,
            written.committed_at,
            cast(
                nullif(regexp_substr(written.file, 'landing_date=([0-9-]{10})', 1, 1, 'e'), '') as date
            )
        from {{ _landing_schema() }}.ledger as written
{%- endmacro %}

{#-
  Folders of the ledger that are no partition of their Spectrum table yet, by table: dicts of location,
  incarnation, landing_date and kafka_partition. Two queries, because the views of external tables are the
  leader node's: no page says that they can be joined with tables (c_join_PG).
-#}
{% macro _unregistered_folders() %}
    {% set registered = {} %}
    {% for row in run_query(_registered_folders_sql()).rows %}
        {% do registered.update({row[0].rstrip('/'): true}) %}
    {% endfor %}
    {% set missing = {} %}
    {% for row in run_query(_ledger_folders_sql()).rows %}
        {% set location = landing_location() ~ landed_folder(row[0], row[1], row[2], row[3]) %}
        {% if location.rstrip('/') not in registered %}
            {% do missing.setdefault(row[0], []).append({
                'location': location, 'incarnation': row[1], 'landing_date': row[2], 'kafka_partition': row[3],
            }) %}
        {% endif %}
    {% endfor %}
    {% do return(missing) %}
{% endmacro %}

{% macro _registered_folders_sql() %}
    select location
    from svv_external_partitions
    where schemaname = '{{ _landing_schema() }}'
{% endmacro %}

{% macro _ledger_folders_sql() %}
    select
        ledger.table_name,
        cast(ledger.incarnation as varchar(10)) as incarnation,
        cast(ledger.landing_date as varchar(10)) as landing_date,
        cast(ledger.kafka_partition as varchar(10)) as kafka_partition
    from {{ cdc_history.operations_relation('ledger') }} as ledger
    where
        ledger.landing_date is not null
        and ledger.table_name in ('{{ landing_tables() | join("', '") }}')
    group by
        ledger.table_name, ledger.incarnation, ledger.landing_date, ledger.kafka_partition
    order by
        ledger.table_name, ledger.incarnation, ledger.landing_date, ledger.kafka_partition
{% endmacro %}

{% macro _add_partitions_sql(table, folders) %}
    alter table {{ _landing_schema() }}.{{ table }} add if not exists
    {%- for folder in folders %}
    partition (
        incarnation = {{ folder.incarnation }}, landing_date = '{{ folder.landing_date }}',
        topic_partition = {{ folder.kafka_partition }}
    )
    location '{{ folder.location }}'
    {%- endfor %}
{% endmacro %}

{#- The external tables: what is landed of the declared tables, and what Debezium says about itself. -#}
{% macro landing_tables() %}
    {% set names = declared_tables() | list %}
    {% for source in graph.sources.values() if source.source_name == 'debezium' %}
        {% do names.append(source.name) %}
    {% endfor %}
    {% do return(names | sort) %}
{% endmacro %}

{#- The external schema of the Spectrum tables: the schema of the source `retail`. -#}
{% macro _landing_schema() %}{{ return('landing') }}{% endmacro %}
