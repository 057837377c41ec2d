{#-
  A list of CTEs: in Redshift none may have a WITH of its own (r_WITH_clause). An older change that arrives
  late changes nothing. Of several deliveries of one change the last one stands, and a read that a
  transaction of unknown commit overtook is dropped.
-#}
{% macro last_changes(name, changes, key, touched=none) %}
    {%- set rank = cdc_history.operation_rank('changes._cdc_op') -%}
    {%- set arrival -%}
        changes._cdc_committed_at desc,
        changes.kafka_timestamp desc,
        changes._cdc_incarnation desc,
        changes.kafka_partition desc,
        changes.kafka_offset desc
    {%- endset %}

unsettled_keys as (
    select {{ key }} as change_key
    from {{ changes }} as changes
    where not changes._cdc_commit_known
    group by {{ key }}
),

deliveries as (
    select
        {{ key }} as change_key,
        changes._cdc_position,
        changes._cdc_op,
        changes._cdc_commit_known,
        changes._cdc_row_hash,
        changes._cdc_before_hash,
        row_number() over (
            partition by {{ key }}
            order by changes._cdc_position asc, {{ rank }} asc, {{ arrival }}
        ) as _cdc_place,
        row_number() over (
            partition by {{ key }}, changes._cdc_position, changes._cdc_op order by {{ arrival }}
        ) as delivery_rank
    from {{ changes }} as changes
    where
        {{ key }} in (select unsettled_keys.change_key from unsettled_keys)
        {%- if touched %}
        and {{ key }} in ({{ touched }})
        {%- endif %}
),

delivered as (
    select *
    from deliveries
    where delivery_rank = 1
),

{{ cdc_history.stale_reads(['change_key']) }},

overtaken as (
    select
        delivered.change_key,
        delivered._cdc_position
    from delivered
    inner join stale_reads
        on
            delivered.change_key = stale_reads.change_key
            and delivered._cdc_place = stale_reads._cdc_place
),

{{ name }}_ranked as (
    select
        changes.*,
        row_number() over (
            partition by {{ key }} order by changes._cdc_position desc, {{ rank }} desc, {{ arrival }}
        ) as change_rank
    from {{ changes }} as changes
    left join overtaken
        on
            {{ key }} = overtaken.change_key
            and changes._cdc_position = overtaken._cdc_position
            and changes._cdc_op = 'r'
    where
        overtaken.change_key is null
        {%- if touched %}
        and {{ key }} in ({{ touched }})
        {%- endif %}
),

{{ name }} as (
    select ranked.*
    from {{ name }}_ranked as ranked
    where ranked.change_rank = 1
)
{% endmacro %}
