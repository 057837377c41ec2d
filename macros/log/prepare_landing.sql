{#-
  on-run-start: what the run may read of the landing zone, and the ledger as operations.ledger: a row
  for each range of offsets that is landed, or lost and accepted as such.
-#}
{% macro prepare_landing() %}
    {% if execute and cdc_history.invocation_writes() %}
        {{ adapter.dispatch('prepare_landing')() }}
    {% endif %}
{% endmacro %}

{% macro default__prepare_landing() %}
{% endmacro %}

{#-
  A view on the ledger's files themselves: whatever is missing of them is missing here. The newest
  roll-up holds all up to a commit; of the others only the commits behind it are opened. And where the
  ledger ends now: the logs of this run read up to there.
-#}
{% macro duckdb__prepare_landing() %}
    {% set ledger = landing_location() ~ '_ledger' %}
    {% set found = run_query(
        "select (select count(*) from glob('" ~ ledger ~ "/*.jsonl')), (select max(file) from glob('"
        ~ ledger ~ "/rolled/*.jsonl'))"
    ).rows[0] %}
    {% do run_query(_ledger_view_sql(ledger if found[0] > 0 else none, found[1])) %}
    {% do run_query(_ledger_ends_sql()) %}
{% endmacro %}

{#-
  The ledger's files themselves, as they are when the run begins, since no catalog of Iceberg has a view on them: the
  newest roll-up, and the commits behind the one that it ends with.
-#}
{% macro spark__prepare_landing() %}
    {% set files = landing_location() ~ '_ledger/{*,rolled/*}.jsonl' %}
    {% set fields = "`table` string, topic string, topic_id string, incarnation int, kafka_partition bigint, from_offset bigint,"
        ~ " until_offset bigint, `rows` bigint, kind string, committed_at string, file string" %}
    {% set ledger %}
        create or replace table {{ cdc_history.operations_relation('ledger') }} using iceberg as
        select
            ledger_file,
            entry.`table` as table_name,
            entry.topic,
            entry.topic_id,
            entry.incarnation,
            entry.kafka_partition,
            entry.from_offset,
            entry.until_offset,
            entry.`rows` as row_count,
            entry.kind,
            entry.committed_at,
            entry.file
        from (
            select
                ledger_file,
                from_json(line, '{{ fields }}', map('mode', 'FAILFAST')) as entry,
                max(case when contains(ledger_file, '/_ledger/rolled/') then ledger_file end) over () as rolled_up
            from (
                {%- if finds_nothing(files) %}
                select cast(null as string) as ledger_file, cast(null as string) as line where false
                {%- else %}
                select _metadata.file_path as ledger_file, value as line from text.`{{ files }}`
                {%- endif %}
            ) as lines
        ) as entries
        where
            rolled_up is null
            or ledger_file = rolled_up
            or (
                not contains(ledger_file, '/_ledger/rolled/')
                and ledger_file > replace(rolled_up, '/_ledger/rolled/', '/_ledger/')
            )
    {% endset %}
    {% do run_query(ledger) %}
    {% do run_query(_ledger_ends_sql()) %}
{% endmacro %}

{% macro _ledger_ends_sql() %}
    create or replace table {{ cdc_history.operations_relation('ledger_ends') }} as
    select
        table_name,
        incarnation,
        kafka_partition,
        max(until_offset) as until_offset
    from {{ cdc_history.operations_relation('ledger') }}
    group by table_name, incarnation, kafka_partition
{% endmacro %}

{#- The view's definition; without `ledger` it has no rows, as before the first landing. -#}
{% macro _ledger_view_sql(ledger, rolled_up) %}
    {% set columns = {
        'ledger_file': ('filename', 'varchar'),
        'table_name': ('"table"', 'varchar'),
        'topic': ('topic', 'varchar'),
        'topic_id': ('topic_id', 'varchar'),
        'incarnation': ('incarnation', 'integer'),
        'kafka_partition': ('kafka_partition', 'bigint'),
        'from_offset': ('from_offset', 'bigint'),
        'until_offset': ('until_offset', 'bigint'),
        'row_count': ('"rows"', 'bigint'),
        'kind': ('kind', 'varchar'),
        'committed_at': ('committed_at', 'varchar'),
        'file': ('file', 'varchar'),
    } %}
    create or replace view {{ cdc_history.operations_relation('ledger') }} as
    select
        {%- for name, (written, type) in columns.items() %}
        cast({{ written if ledger else 'null' }} as {{ type }}) as {{ name }},
        {%- endfor %}
    {%- if ledger %}
    from read_json(
        [{{ "'" ~ rolled_up ~ "', " if rolled_up }}'{{ ledger }}/*.jsonl'],
        format = 'newline_delimited',
        filename = true,
        columns = {
            {%- for name, (written, type) in columns.items() if name != 'ledger_file' %}
            {{ written }}: '{{ type }}',
            {%- endfor %}
        }
    )
    {%- if rolled_up %}
    -- the roll-up itself, and the commits behind the one that it ends with
    where filename > '{{ rolled_up | replace('/rolled/', '/') }}'
    {%- endif %}
    {%- else %}
    where false
    {%- endif %}
{% endmacro %}
