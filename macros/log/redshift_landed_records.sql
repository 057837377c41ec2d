{#-
  Redshift reads a table's records on two paths as one: the streaming views with their archives
  (streaming.<table>, a view over all of them) and, for what those do not hold, the landing zone.

  No hidden holes: a partition advances to where the ledger ends, and beyond it only as far as the
  streamed offsets follow each other without a gap. What lies behind a gap waits for the ledger, so a
  view that was recreated, fell behind the topic's retention or skipped a record cannot hide a loss.
-#}

{#- SQL: the ranges that the pre-hook chose, read from both paths, each record once. -#}
{% macro redshift__landed_records(table) %}
    {% set bounds = _range_bounds(table) %}
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
            where
                {%- if 'stream' in bounds %}
                streamed.kafka_offset >= {{ bounds['stream'].first_offset | int }}
                and streamed.kafka_offset < {{ bounds['stream'].end_offset | int }}
                {%- else %}
                1 = 0
                {%- endif %}
            {%- if 'landing' in bounds %}
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
            where
                landed.landing_date >= cast('{{ bounds['landing'].first_date }}' as date)
                and landed.landing_date <= cast('{{ bounds['landing'].last_date }}' as date)
                and landed.kafka_offset >= {{ bounds['landing'].first_offset | int }}
                and landed.kafka_offset < {{ bounds['landing'].end_offset | int }}
            {%- endif %}
        ) as both_paths
    ) as chosen
    where chosen.copy_number = 1
{% endmacro %}

{#-
  Within what the ranges of each path lie, which the pre-hook asks in its transaction: as literals they say
  which blocks, files and folders are not read; those of a join do not.
-#}
{% macro _range_bounds(table) %}
    {% set bounds = {} %}
    {% set asked %}
        select
            ranges.read_from,
            min(ranges.from_offset) as first_offset,
            max(ranges.until_offset) as end_offset,
            min(ranges.landing_date) as first_date,
            max(ranges.landing_date) as last_date
        from {{ step_relation(table, 'ranges') }} as ranges
        group by ranges.read_from
    {% endset %}
    {% for row in run_query(asked).rows %}{% do bounds.update({row['read_from']: row}) %}{% endfor %}
    {% do return(bounds) %}
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
    {#- kept for the hooks behind this one, which are in the transaction -#}
    {% do cdc_history.current_run() %}
    {% set ledger = cdc_history.operations_relation('ledger') %}
    {% set partitions = _partitions_read(table, ledger) if is_incremental() else [] %}
    set enable_case_sensitive_super_attribute to true;
    create temporary table {{ step_relation(table, 'ranges') }} as
    with

    read_before as (
        {% for partition in partitions %}
        select
            cast({{ partition.incarnation | int }} as integer) as incarnation,
            cast({{ partition.kafka_partition | int }} as bigint) as kafka_partition,
            cast({{ partition.next_offset | int }} as bigint) as next_offset
        {{ 'union all' if not loop.last }}
        {% else %}
        select
            cast(0 as integer) as incarnation,
            cast(0 as bigint) as kafka_partition,
            cast(0 as bigint) as next_offset
        where 1 = 0
        {% endfor %}
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
        where
            stream.kafka_offset >= coalesce(read_before.next_offset, 0)
            {%- if partitions %}
            and stream.kafka_offset >= {{ _first_unread(table, partitions) }}
            {%- endif %}
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

    unread as (
        select
            entries.incarnation,
            entries.kafka_partition,
            entries.landing_date,
            greatest(entries.from_offset, entries.next_offset) as from_offset,
            entries.until_offset,
            case
                when entries.row_count = 0 or entries.from_offset >= entries.next_offset then entries.row_count
                else entries.until_offset - entries.next_offset
            end as row_count,
            lag(entries.until_offset) over (
                partition by entries.incarnation, entries.kafka_partition, entries.landing_date
                order by entries.from_offset
            ) as previous_until
        from entries
        where entries.kind = 'landed' and entries.until_offset > entries.next_offset
    ),

    counted as (
        select
            unread.incarnation,
            unread.kafka_partition,
            unread.landing_date,
            unread.from_offset,
            unread.until_offset,
            unread.row_count,
            sum(case when unread.from_offset = unread.previous_until then 0 else 1 end) over (
                partition by unread.incarnation, unread.kafka_partition, unread.landing_date
                order by unread.from_offset
                rows unbounded preceding
            ) as stretch
        from unread
    ),

    -- the ledger has a row a commit; what follows one another in a folder is one range
    stretches as (
        select
            counted.incarnation,
            counted.kafka_partition,
            counted.landing_date,
            min(counted.from_offset) as from_offset,
            max(counted.until_offset) as until_offset,
            sum(counted.row_count) as row_count
        from counted
        group by counted.incarnation, counted.kafka_partition, counted.landing_date, counted.stretch
    ),

    -- ranges of which the stream lacks a record
    incomplete as (
        select
            stretches.incarnation,
            stretches.kafka_partition,
            stretches.landing_date,
            stretches.from_offset,
            stretches.until_offset
        from stretches
        left join streamed
            on
                stretches.incarnation = streamed.incarnation
                and stretches.kafka_partition = streamed.kafka_partition
                and streamed.kafka_offset >= stretches.from_offset
                and streamed.kafka_offset < stretches.until_offset
        where stretches.row_count > 0
        group by
            stretches.incarnation, stretches.kafka_partition, stretches.landing_date,
            stretches.from_offset, stretches.until_offset, stretches.row_count
        having count(streamed.kafka_offset) < stretches.row_count
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
    where
        greatest(covered.until_offset, coalesce(continued.until_offset, 0))
        > coalesce(read_before.next_offset, 0)
{% endmacro %}

{#-
  The next offset of each partition that the log or the ledger knows, asked before the transaction: as a
  literal it says which blocks of the streams are not read.
-#}
{% macro _partitions_read(table, ledger) %}
    {% set asked %}
        select known.incarnation, known.kafka_partition, max(known.next_offset) as next_offset
        from (
            select
                logged._cdc_incarnation as incarnation,
                logged.kafka_partition,
                logged.kafka_offset + 1 as next_offset
            from {{ this }} as logged
            union all
            select ledger.incarnation, ledger.kafka_partition, 0 as next_offset
            from {{ ledger }} as ledger
            where ledger.table_name = '{{ table }}'
        ) as known
        group by known.incarnation, known.kafka_partition
        order by known.incarnation, known.kafka_partition
    {% endset %}
    {% do return(run_query(asked).rows) %}
{% endmacro %}

{#-
  Where the streams are read from, whatever the partition: what an older topic, or a partition that the ledger
  does not know yet, has below it is read when it is landed.
-#}
{% macro _first_unread(table, partitions) %}
    {% set newest = partitions | map(attribute='incarnation') | max %}
    {% set offsets = [] %}
    {% for partition in partitions if partition.incarnation == newest or record_origins(table)['topics'] %}
        {% do offsets.append(partition.next_offset | int) %}
    {% endfor %}
    {% do return(offsets | min) %}
{% endmacro %}
