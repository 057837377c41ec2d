-- Our invariant (I1): every offset of a partition is landed or declared lost, once. The ranges of
-- the ledger join: a row here is a gap, or offsets that were entered twice. The first range of a
-- partition begins at 0, or is empty and says where its incarnation begins.
with

entries as (
    select
        ledger.table_name,
        ledger.topic,
        ledger.incarnation,
        ledger.kafka_partition,
        ledger.from_offset,
        ledger.until_offset,
        lag(ledger.until_offset) over (
            partition by ledger.table_name, ledger.incarnation, ledger.kafka_partition
            order by ledger.from_offset, ledger.until_offset
        ) as entered_until
    from {{ cdc_history.operations_relation('ledger') }} as ledger
),

joined as (
    select
        entries.*,
        coalesce(
            entries.entered_until,
            case when entries.from_offset = entries.until_offset then entries.from_offset else 0 end
        ) as expected_offset
    from entries
)

select
    joined.table_name,
    joined.topic,
    joined.incarnation,
    joined.kafka_partition,
    case when joined.from_offset > joined.expected_offset then 'gap' else 'overlap' end as fault,
    least(joined.from_offset, joined.expected_offset) as from_offset,
    greatest(joined.from_offset, joined.expected_offset) as until_offset
from joined
where joined.from_offset <> joined.expected_offset
