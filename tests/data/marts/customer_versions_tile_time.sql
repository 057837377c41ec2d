-- Our invariant: the versions of a customer start at the beginning of time and follow each other
-- without overlap, with a gap only after a delete; only the last one can be current; an inferred
-- member stands alone. What is SCD 1 is the same in all of them.
{%- set type_1 = ['phone', 'birth_date', 'signed_up_at'] %}
with

versions as (
    {{ cdc_history.rows_of_audited_keys(ref('dim_customer'), ['customer_id']) }}
),

followed as (
    select
        versions.*,
        lag(versions.valid_to) over (
            partition by versions.customer_id order by versions.valid_from
        ) as previous_valid_to,
        lag(versions.is_deleted) over (
            partition by versions.customer_id order by versions.valid_from
        ) as previous_is_deleted,
        {%- for column in type_1 %}
        lag(versions.{{ column }}) over (
            partition by versions.customer_id order by versions.valid_from
        ) as previous_{{ column }},
        {%- endfor %}
        lead(versions.valid_from) over (
            partition by versions.customer_id order by versions.valid_from
        ) as next_valid_from,
        count(*) over (partition by versions.customer_id) as version_count
    from versions
)

select
    followed.customer_key,
    followed.customer_id,
    followed.valid_from,
    followed.valid_to,
    followed.previous_valid_to,
    followed.next_valid_from
from followed
where
    followed.valid_from >= followed.valid_to
    or (
        followed.previous_valid_to is null
        and followed.valid_from <> {{ cdc_history.beginning_of_time() }}
    )
    or followed.previous_valid_to > followed.valid_from
    or (followed.previous_valid_to < followed.valid_from and not followed.previous_is_deleted)
    or (followed.previous_valid_to = followed.valid_from and followed.previous_is_deleted)
    or (followed.is_current and followed.next_valid_from is not null)
    or followed.is_current <> (followed.valid_to = {{ cdc_history.end_of_time() }})
    or (followed.is_current and followed.is_deleted)
    or (
        followed.next_valid_from is null
        and not followed.is_current
        and not followed.is_deleted
    )
    {%- for column in type_1 %}
    or (
        followed.previous_valid_to is not null
        and {{ cdc_history.differs('followed.' ~ column, 'followed.previous_' ~ column) }}
    )
    {%- endfor %}
    or (followed.member_kind <> 'member' and followed.version_count > 1)
