{#-
  Redshift reads a table's records on two paths as one: the streaming views with their archives
  (streaming.<table>, a view over all of them) and, for what those do not hold, the landing zone.

  No hidden holes: a partition advances to where the ledger ends, and beyond it only as far as the
  streamed offsets follow each other without a gap. What lies behind a gap waits for the ledger, so a
  view that was recreated, fell behind the topic's retention or skipped a record cannot hide a loss.
-#}

{#- SQL: the ranges that the pre-hook chose, read from both paths, each record once. -#}
{% macro redshift__landed_records(table) %}
    select
        chosen.kafka_topic,
        chosen._cdc_incarnation,
        chosen.kafka_partition,
        chosen.kafka_offset,
        chosen.kafka_timestamp,
        chosen.kafka_key,
        chosen.kafka_value
    from (
        select
            both_paths.*,
            row_number() over (
                partition by
                    both_paths._cdc_incarnation, both_paths.kafka_partition, both_paths.kafka_offset
                order by both_paths.path_rank
            ) as copy_number
        from (
            select
                streamed.kafka_topic,
                streamed._cdc_incarnation,
                streamed.kafka_partition,
                streamed.kafka_offset,
                streamed.kafka_timestamp,
                streamed.kafka_key,
                streamed.kafka_value,
                1 as path_rank
            from {{ _streaming_relation(table) }} as streamed
            inner join {{ step_relation(table, 'ranges') }} as ranges
                on
                    streamed._cdc_incarnation = ranges.incarnation
                    and streamed.kafka_partition = ranges.kafka_partition
                    and streamed.kafka_offset >= ranges.from_offset
                    and streamed.kafka_offset < ranges.until_offset
                    and ranges.read_from = 'stream'
            union all
            select
                landed.kafka_topic,
                landed.incarnation as _cdc_incarnation,
                landed.kafka_partition,
                landed.kafka_offset,
                landed.kafka_timestamp,
                landed.kafka_key,
                landed.kafka_value,
                2 as path_rank
            from {{ source(var('source'), table) }} as landed
            inner join {{ step_relation(table, 'ranges') }} as ranges
                on
                    landed.incarnation = ranges.incarnation
                    and landed.landing_date = ranges.landing_date
                    and landed.topic_partition = ranges.kafka_partition
                    and landed.kafka_offset >= ranges.from_offset
                    and landed.kafka_offset < ranges.until_offset
                    and ranges.read_from = 'landing'
            -- so that only the folders of the chosen ranges are opened
            where
                landed.landing_date >= (
                    select min(first_range.landing_date)
                    from {{ step_relation(table, 'ranges') }} as first_range
                    where first_range.read_from = 'landing'
                )
        ) as both_paths
    ) as chosen
    where chosen.copy_number = 1
{% endmacro %}

{#- The view over all streaming views of a table and their archives; `lakehouse warehouse deploy` makes it. -#}
{% macro _streaming_relation(table) %}
    {% do return(api.Relation.create(
        database=target.database, schema='streaming', identifier=table, type='view'
    )) %}
{% endmacro %}

{#-
  Pre-hook of a log on Redshift: chooses the ranges to read, from offsets alone. In `read_from =
  'landing'` are the files of the ledger of which the stream lacks a record, each with its folder.
-#}
{% macro redshift__choose_landing_files(table) %}
    {% set ledger = cdc_history.operations_relation('ledger') %}
    set enable_case_sensitive_super_attribute to true;
    create temporary table {{ step_relation(table, 'ranges') }} as
    with

    read_before as (
        {% if is_incremental() %}
        select
            logged._cdc_incarnation as incarnation,
            logged.kafka_partition,
            max(logged.kafka_offset) + 1 as next_offset
        from {{ this }} as logged
        group by logged._cdc_incarnation, logged.kafka_partition
        {% else %}
        select
            cast(0 as integer) as incarnation,
            cast(0 as bigint) as kafka_partition,
            cast(0 as bigint) as next_offset
        where 1 = 0
        {% endif %}
    ),

    entries as (
        select
            ledger.incarnation,
            ledger.kafka_partition,
            ledger.landing_date,
            ledger.kind,
            ledger.row_count,
            ledger.from_offset,
            ledger.until_offset,
            coalesce(read_before.next_offset, 0) as next_offset
        from {{ ledger }} as ledger
        left join read_before
            on
                ledger.incarnation = read_before.incarnation
                and ledger.kafka_partition = read_before.kafka_partition
        where ledger.table_name = '{{ table }}'
    ),

    streamed as (
        select
            stream._cdc_incarnation as incarnation,
            stream.kafka_partition,
            stream.kafka_offset,
            coalesce(read_before.next_offset, 0) as next_offset
        from {{ _streaming_relation(table) }} as stream
        left join read_before
            on
                stream._cdc_incarnation = read_before.incarnation
                and stream.kafka_partition = read_before.kafka_partition
        where stream.kafka_offset >= coalesce(read_before.next_offset, 0)
        group by
            stream._cdc_incarnation, stream.kafka_partition, stream.kafka_offset,
            read_before.next_offset
    ),

    -- where the ledger ends, or the log where it is ahead of the ledger
    covered as (
        select
            partitions.incarnation,
            partitions.kafka_partition,
            max(partitions.until_offset) as until_offset
        from (
            select entries.incarnation, entries.kafka_partition, entries.until_offset
            from entries
            union all
            select read_before.incarnation, read_before.kafka_partition, read_before.next_offset
            from read_before
            union all
            select streamed.incarnation, streamed.kafka_partition, 0 as until_offset
            from streamed
        ) as partitions
        group by partitions.incarnation, partitions.kafka_partition
    ),

    -- a topic that was recreated has ended: nothing follows what the ledger holds of it
    newest as (
        {% if execute and record_origins(table)['topics'] -%}
        select max(ledger.incarnation) as incarnation
        from {{ ledger }} as ledger
        where ledger.table_name = '{{ table }}'
        group by ledger.topic
        {%- else -%}
        select coalesce(max(entries.incarnation), 1) as incarnation
        from entries
        {%- endif %}
    ),

    numbered as (
        select
            streamed.incarnation,
            streamed.kafka_partition,
            streamed.kafka_offset,
            covered.until_offset,
            row_number() over (
                partition by streamed.incarnation, streamed.kafka_partition
                order by streamed.kafka_offset
            ) as place
        from streamed
        inner join covered
            on
                streamed.incarnation = covered.incarnation
                and streamed.kafka_partition = covered.kafka_partition
        inner join newest
            on streamed.incarnation = newest.incarnation
        where streamed.kafka_offset >= covered.until_offset
    ),

    continued as (
        select
            numbered.incarnation,
            numbered.kafka_partition,
            max(numbered.kafka_offset) + 1 as until_offset
        from numbered
        where numbered.kafka_offset = numbered.until_offset + numbered.place - 1
        group by numbered.incarnation, numbered.kafka_partition
    ),

    -- files of which the stream lacks a record
    incomplete as (
        select
            entries.incarnation,
            entries.kafka_partition,
            entries.landing_date,
            greatest(entries.from_offset, entries.next_offset) as from_offset,
            entries.until_offset
        from entries
        left join streamed
            on
                entries.incarnation = streamed.incarnation
                and entries.kafka_partition = streamed.kafka_partition
                and streamed.kafka_offset >= entries.from_offset
                and streamed.kafka_offset < entries.until_offset
        where
            entries.kind = 'landed'
            and entries.row_count > 0
            and entries.until_offset > entries.next_offset
        group by
            entries.incarnation, entries.kafka_partition, entries.landing_date,
            entries.from_offset, entries.until_offset, entries.next_offset, entries.row_count
        having
            count(streamed.kafka_offset) < case
                when entries.from_offset >= entries.next_offset then entries.row_count
                else entries.until_offset - entries.next_offset
            end
    )

    select
        cast('landing' as varchar(10)) as read_from,
        incomplete.incarnation,
        incomplete.kafka_partition,
        incomplete.landing_date,
        incomplete.from_offset,
        incomplete.until_offset
    from incomplete
    union all
    select
        cast('stream' as varchar(10)) as read_from,
        covered.incarnation,
        covered.kafka_partition,
        cast(null as date) as landing_date,
        coalesce(read_before.next_offset, 0) as from_offset,
        greatest(covered.until_offset, coalesce(continued.until_offset, 0)) as until_offset
    from covered
    left join read_before
        on
            covered.incarnation = read_before.incarnation
            and covered.kafka_partition = read_before.kafka_partition
    left join continued
        on
            covered.incarnation = continued.incarnation
            and covered.kafka_partition = continued.kafka_partition
{% endmacro %}
