{#-
  SQL: of each key the last accepted change, in the source's order: the current state, deletes with
  their last known values included. An older change that arrives late changes nothing. The rules are
  those of the histories (docs/semantics.md): of several deliveries of one change the last one stands,
  and a read that a transaction of unknown commit overtook is dropped.

  changes   a relation of accepted changes (stg_retail__...)
  key       SQL expression over `changes` that identifies a row, never null
  touched   SQL: a query of one column, the keys to look at; none for all keys
-#}
{% macro last_changes(changes, key, touched=none) %}
    {%- set rank = operation_rank('changes._cdc_op') -%}
    {%- set arrival -%}
        changes._cdc_committed_at desc,
        changes.kafka_timestamp desc,
        changes._cdc_incarnation desc,
        changes.kafka_partition desc,
        changes.kafka_offset desc
    {%- endset -%}
    with uncertain as (
        select
            {{ key }} as change_key,
            changes._cdc_position,
            {{ rank }} as op_rank,
            changes._cdc_op,
            changes._cdc_commit_known,
            changes._cdc_row_hash,
            changes._cdc_before_hash,
            row_number() over (
                partition by {{ key }}, changes._cdc_position, changes._cdc_op order by {{ arrival }}
            ) as delivery_rank
        from {{ changes }} as changes
        where
            {{ key }} in (
                select {{ key }} from {{ changes }} as changes where not changes._cdc_commit_known
            )
            {%- if touched %}
            and {{ key }} in ({{ touched }})
            {%- endif %}
    ),

    islands as (
        select
            uncertain.*,
            sum(
                case when uncertain._cdc_commit_known and uncertain._cdc_op <> 'r' then 1 else 0 end
            ) over (
                partition by uncertain.change_key
                order by uncertain._cdc_position, uncertain.op_rank
                rows between unbounded preceding and current row
            ) as island
        from uncertain
        where uncertain.delivery_rank = 1
    ),

    stale_reads as (
        select
            reads.change_key,
            reads._cdc_position
        from islands as reads
        inner join islands as overtaken_by
            on
                reads.change_key = overtaken_by.change_key
                and reads.island = overtaken_by.island
                and reads._cdc_row_hash = overtaken_by._cdc_before_hash
        where
            reads._cdc_op = 'r'
            and not overtaken_by._cdc_commit_known
            -- at one position a read comes last
            and overtaken_by._cdc_position <= reads._cdc_position
        group by reads.change_key, reads._cdc_position
    ),

    ranked as (
        select
            changes.*,
            row_number() over (
                partition by {{ key }} order by changes._cdc_position desc, {{ rank }} desc, {{ arrival }}
            ) as change_rank
        from {{ changes }} as changes
        left join stale_reads
            on
                {{ key }} = stale_reads.change_key
                and changes._cdc_position = stale_reads._cdc_position
                and changes._cdc_op = 'r'
        where
            stale_reads.change_key is null
            {%- if touched %}
            and {{ key }} in ({{ touched }})
            {%- endif %}
    )

    select ranked.*
    from ranked
    where ranked.change_rank = 1
{% endmacro %}
