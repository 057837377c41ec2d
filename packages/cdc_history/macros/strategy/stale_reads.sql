{#-
  CTEs from `delivered` to `stale_reads`, the reads that a transaction overtook. A change whose commit is
  not known may have been committed after a read that seems to follow it: such a read shows the row as it
  was before one of those changes (docs/semantics.md, "Order").

  delivered    the changes of the keys, each once: the keys, _cdc_place (its place among the changes of
               the key), _cdc_op, _cdc_commit_known, _cdc_row_hash, _cdc_before_hash
  stale_reads  the keys, _cdc_place
  key_names    of the key columns
-#}
{% macro stale_reads(key_names) %}
{% set keys = [] %}
{% for name in key_names %}{% do keys.append(adapter.quote(name)) %}{% endfor %}
uncertain_keys as (
    select {{ keys | join(', ') }}
    from delivered
    where not _cdc_commit_known
    group by {{ keys | join(', ') }}
),

islands as (
    select
        {%- for key in keys %}
        delivered.{{ key }},
        {%- endfor %}
        delivered._cdc_place,
        delivered._cdc_op,
        delivered._cdc_commit_known,
        delivered._cdc_row_hash,
        delivered._cdc_before_hash,
        sum(case when delivered._cdc_commit_known and delivered._cdc_op <> 'r' then 1 else 0 end)
            over (
                partition by {% for key in keys %}delivered.{{ key }}{{ ', ' if not loop.last }}{% endfor %}
                order by delivered._cdc_place rows between unbounded preceding and current row
            ) as island
    from delivered
    inner join uncertain_keys
        on
            {% for key in keys -%}
            {{ 'and ' if not loop.first }}delivered.{{ key }} = uncertain_keys.{{ key }}
            {% endfor %}
),

stale_reads as (
    select
        {%- for key in keys %}
        snapshot_reads.{{ key }},
        {%- endfor %}
        snapshot_reads._cdc_place
    from islands as snapshot_reads
    inner join islands as overtaken_by
        on
            {% for key in keys -%}
            snapshot_reads.{{ key }} = overtaken_by.{{ key }}
            and {% endfor -%}
            snapshot_reads.island = overtaken_by.island
            and snapshot_reads._cdc_row_hash = overtaken_by._cdc_before_hash
    where
        snapshot_reads._cdc_op = 'r'
        and not overtaken_by._cdc_commit_known
        and overtaken_by._cdc_place < snapshot_reads._cdc_place
    group by {% for key in keys %}snapshot_reads.{{ key }}, {% endfor %}snapshot_reads._cdc_place
)
{% endmacro %}
