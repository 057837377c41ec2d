{#-
  SQL: of each key the last accepted change, in the source's order: the current state, deletes with
  their last known values included. An older change that arrives late changes nothing. Deliveries and
  ties as in the histories (docs/semantics.md): of several deliveries of one change the last one stands.

  changes   a relation of accepted changes (stg_retail__...)
  key       SQL expression over `changes` that identifies a row, never null
  touched   SQL: a query of one column, the keys to look at; none for all keys
-#}
{% macro last_changes(changes, key, touched=none) %}
    select ranked.*
    from (
        select
            changes.*,
            row_number() over (
                partition by {{ key }}
                order by
                    changes._cdc_position desc,
                    case changes._cdc_op when 'r' then 0 when 'd' then 1 when 'c' then 2 else 3 end desc,
                    changes._cdc_committed_at desc,
                    changes.kafka_timestamp desc,
                    changes._cdc_incarnation desc,
                    changes.kafka_partition desc,
                    changes.kafka_offset desc
            ) as change_rank
        from {{ changes }} as changes
        {%- if touched %}
        where {{ key }} in ({{ touched }})
        {%- endif %}
    ) as ranked
    where ranked.change_rank = 1
{% endmacro %}
