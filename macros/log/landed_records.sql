{% macro landed_records(table) %}
    {{ adapter.dispatch('landed_records')(table) }}
{% endmacro %}

{#-
  A landing file's path is its range of offsets, so the files to read are chosen by name before any
  is opened, and of ranges that overlap (compaction adds before it removes; a lost checkpoint) each
  offset is read from one file only: every file starts where the ones before it ended. Only files up to
  where the ledger ended when the run began: no store lists a folder at one instant, so a listing may
  show a file and not the one before it, which would never be read. What the ledger held before the
  listing began, the listing shows.
-#}
{% macro duckdb__landed_records(table) %}
    select
        landed.kafka_topic,
        cast(landed.incarnation as integer) as _cdc_incarnation,
        landed.kafka_partition,
        landed.kafka_offset,
        landed.kafka_timestamp,
        landed.kafka_key,
        landed.kafka_value
    from {{ source(var('source'), table) }} as landed
    left join
        (select unnest(getvariable('landing_ranges_{{ table }}'), recursive := true)) as ranges
        on landed.filename = ranges.file
    where landed.kafka_offset >= coalesce(ranges.starts_at, 0)
{% endmacro %}

{#-
  The same choice; a folder is listed as binary files, whose bytes nobody reads, and the path of a file that Spark knows
  before it opens it says which are read.
-#}
{% macro spark__landed_records(table) %}
    {% set pattern = landing_location() ~ landed_folder(table) ~ '*.parquet' %}
    {% set named = landed_folder(table, '([0-9]+)', '[^/]+', '([0-9]+)') ~ '([0-9]+)-([0-9]+)[.]parquet$' %}
    {% set chosen %}
        with

        files as (
            select
                file,
                cast(regexp_extract(file, '{{ named }}', 1) as int) as incarnation,
                cast(regexp_extract(file, '{{ named }}', 2) as int) as kafka_partition,
                cast(regexp_extract(file, '{{ named }}', 3) as bigint) as from_offset,
                cast(regexp_extract(file, '{{ named }}', 4) as bigint) as until_offset
            from (select _metadata.file_path as file from binaryfile.`{{ pattern }}`) as listed
            where regexp_like(file, '{{ named }}')
        ),

        {{ _ranged_files(table) }}

        select file, incarnation, starts_at
        from ranged
        where starts_at < until_offset
    {% endset %}
    {% set ranges, paths = [], [] %}
    {% for row in run_query(chosen).rows %}
        {% do paths.append(cdc_history.text_literal(row[0])) %}
        {% do ranges.append('(' ~ paths[-1] ~ ', ' ~ row[1] ~ ', ' ~ row[2] ~ ')') %}
    {% endfor %}
    {% if ranges %}
    select
        landed.kafka_topic,
        ranges.incarnation as _cdc_incarnation,
        landed.kafka_partition,
        landed.kafka_offset,
        cast(landed.kafka_timestamp as timestamp) as kafka_timestamp,
        landed.kafka_key,
        landed.kafka_value
    from parquet.`{{ pattern }}` as landed
    inner join (values {{ ranges | join(', ') }}) as ranges (file, incarnation, starts_at)
        on landed._metadata.file_path = ranges.file
    where
        landed._metadata.file_path in ({{ paths | join(', ') }})
        and landed.kafka_offset >= ranges.starts_at
    {% else %}
    {#- the file that tells the columns of a topic without records Spark hides, for its name begins with a line -#}
    select
        cast(null as string) as kafka_topic,
        cast(null as int) as _cdc_incarnation,
        cast(null as int) as kafka_partition,
        cast(null as bigint) as kafka_offset,
        cast(null as timestamp) as kafka_timestamp,
        cast(null as binary) as kafka_key,
        cast(null as binary) as kafka_value
    where false
    {% endif %}
{% endmacro %}

{#-
  CTEs from `files` (file, incarnation, kafka_partition, from_offset, until_offset) to `ranged`: the files that the ledger
  knows, and from which offset on each is to be read: behind what the log has and what a file before it gives.
-#}
{% macro _ranged_files(table) -%}
read_before as (
    {% if is_incremental() %}
    select _cdc_incarnation, kafka_partition, max(kafka_offset) + 1 as next_offset
    from {{ this }}
    group by _cdc_incarnation, kafka_partition
    {% else %}
    select 0 as _cdc_incarnation, 0 as kafka_partition, cast(0 as bigint) as next_offset
    where false
    {% endif %}
),

committed as (
    select files.*
    from files
    inner join {{ cdc_history.operations_relation('ledger_ends') }} as ledger_ends
        on
            files.incarnation = ledger_ends.incarnation
            and files.kafka_partition = ledger_ends.kafka_partition
            and files.until_offset <= ledger_ends.until_offset
    where ledger_ends.table_name = '{{ table }}'
),

ranged as (
    select
        files.file,
        files.incarnation,
        files.until_offset,
        greatest(
            files.from_offset,
            coalesce(read_before.next_offset, 0),
            coalesce(
                max(files.until_offset) over (
                    partition by files.incarnation, files.kafka_partition
                    order by files.from_offset, files.until_offset desc, files.file
                    rows between unbounded preceding and 1 preceding
                ),
                0
            )
        ) as starts_at
    from committed as files
    left join read_before
        on
            files.incarnation = read_before._cdc_incarnation
            and files.kafka_partition = read_before.kafka_partition
)
{%- endmacro %}

{% macro choose_landing_files(table) %}
    {{ adapter.dispatch('choose_landing_files')(table) }}
{% endmacro %}

{% macro default__choose_landing_files(table) %}
{% endmacro %}

{% macro duckdb__choose_landing_files(table) %}
    {% set landing = landing_location() %}
    set variable landing_ranges_{{ table }} = (
        with

        files as (
            select
                file,
                cast(parts.incarnation as integer) as incarnation,
                cast(parts.kafka_partition as integer) as kafka_partition,
                cast(parts.from_offset as bigint) as from_offset,
                cast(parts.until_offset as bigint) as until_offset
            from (
                select
                    file,
                    regexp_extract(
                        file,
                        '{{ landed_folder(table, '(\\d+)', '[^/]+', '(\\d+)') }}(\d+)-(\d+)\.parquet$',
                        ['incarnation', 'kafka_partition', 'from_offset', 'until_offset']
                    ) as parts
                from glob('{{ landing }}{{ landed_folder(table) }}*.parquet')
            )
            where parts.until_offset <> ''
        ),

        {{ _ranged_files(table) }}

        select list({'file': file, 'starts_at': starts_at})
        from ranged
        where starts_at < until_offset
    );
    set variable landing_{{ table }} = coalesce(
        list_transform(getvariable('landing_ranges_{{ table }}'), lambda chosen: chosen.file),
        (
            select list(file)
            from glob('{{ landing }}{{ landed_folder(table, 0) }}_schema.parquet')
        )
    );
{% endmacro %}
