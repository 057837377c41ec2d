{#-
  On Redshift the ledger's new entries are copied into operations.ledger, so that all logs of a run see
  the same end of it, and the folders that they name become partitions of the Spectrum tables (an
  external table's statements commit by themselves, so this cannot happen inside a model).
-#}
{% macro redshift__prepare_landing() %}
    {% for statement in copy_ledger_statements() %}
        {% do run_query(statement) %}
    {% endfor %}
    {% set missing = run_query(unregistered_folders_sql()).rows %}
    {% for table in missing | map(attribute=0) | unique %}
        {% set folders = [] %}
        {% for row in missing if row[0] == table %}{% do folders.append(row) %}{% endfor %}
        {% for batch in folders | batch(100) %}
            {% do run_query(add_partitions_sql(table, batch)) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}

{#-
  The ledger as a table of Redshift's own; entries are never changed, only those of new commits are
  copied. Commits are removed a day after a roll-up holds them too: a warehouse that is new, or was away
  for longer, begins again with the newest roll-up.
-#}
{% macro copy_ledger_statements() %}
    {% set ledger = operations_relation('ledger') %}
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
                select min({{ commit_number('written."$path"') }})
                from {{ landing_schema() }}.ledger as written
                where
                    written."$path" not like '%/rolled/%'
                    and written."$path" > {{ copied_until }}
            ) > (
                select max({{ commit_number('copied.ledger_file') }}) + 1
                from {{ ledger }} as copied
            )
    {% endset %}
    {% set copy_newest_roll_up %}
        {{ copy_entries_sql("replace(written.\"$path\", '/rolled/', '/')") }}
        where
            written."$path" = (
                select max(newest."$path")
                from {{ landing_schema() }}.ledger as newest
                where newest."$path" like '%/rolled/%'
            )
            and not exists (select 1 from {{ ledger }} as copied)
    {% endset %}
    {% set copy_commits %}
        {{ copy_entries_sql('written."$path"') }}
        where written."$path" not like '%/rolled/%' and written."$path" > {{ copied_until }}
    {% endset %}
    {% do return([create_table, forget_if_behind, copy_newest_roll_up, copy_commits]) %}
{% endmacro %}

{#- SQL: the number of the commit whose file's path is `path`. -#}
{% macro commit_number(path) %}
    {%- do return('cast(left(right(' ~ path ~ ', 26), 20) as bigint)') -%}
{% endmacro %}

{#- The statement that copies the ledger's files; `path` is what is entered as theirs. -#}
{% macro copy_entries_sql(path) %}
        insert into {{ operations_relation('ledger') }} (
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
        from {{ landing_schema() }}.ledger as written
{%- endmacro %}

{#- Folders of the ledger that are no partition of their Spectrum table yet: table, folder, values. -#}
{% macro unregistered_folders_sql() %}
    select
        folders.table_name,
        folders.location,
        folders.incarnation,
        folders.landing_date,
        folders.kafka_partition
    from (
        select
            ledger.table_name,
            ledger.incarnation,
            ledger.landing_date,
            ledger.kafka_partition,
            '{{ landing_location() }}' || ledger.table_name
            || '/incarnation=' || cast(ledger.incarnation as varchar(10))
            || '/landing_date=' || cast(ledger.landing_date as varchar(10))
            || '/topic_partition=' || cast(ledger.kafka_partition as varchar(10)) || '/' as location
        from {{ operations_relation('ledger') }} as ledger
        where
            ledger.landing_date is not null
            and ledger.table_name in ('{{ declared_tables() | join("', '") }}')
        group by
            ledger.table_name, ledger.incarnation, ledger.landing_date, ledger.kafka_partition
    ) as folders
    left join svv_external_partitions as registered
        on
            registered.schemaname = '{{ landing_schema() }}'
            and registered.tablename = folders.table_name
            and rtrim(registered.location, '/') = rtrim(folders.location, '/')
    where registered.location is null
    order by
        folders.table_name, folders.incarnation, folders.landing_date, folders.kafka_partition
{% endmacro %}

{% macro add_partitions_sql(table, folders) %}
    alter table {{ landing_schema() }}.{{ table }} add if not exists
    {%- for folder in folders %}
    partition (incarnation = {{ folder[2] }}, landing_date = '{{ folder[3] }}', topic_partition = {{ folder[4] }})
    location '{{ folder[1] }}'
    {%- endfor %}
{% endmacro %}

{#- The external schema of the Spectrum tables: the schema of the source `retail`. -#}
{% macro landing_schema() %}{{ return('landing') }}{% endmacro %}

{#- The landing zone with a slash at its end; Redshift reads it as s3://. -#}
{% macro landing_location() %}
    {% do return(env_var('LAKEHOUSE_LANDING', 'data/landing').rstrip('/') | replace('s3a://', 's3://') ~ '/') %}
{% endmacro %}
