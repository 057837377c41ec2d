with

expected as (
    select
        worked,
        row_key,
        tracked,
        valid_from,
        valid_to
    from {{ ref('expected_dimension') }}
    where after_run = least({{ var('run') }}, (select max(after_run) from {{ ref('expected_dimension') }}))
),

found as (
    select
        worked,
        row_key,
        tracked,
        valid_from,
        valid_to
    from {{ ref('dimension') }}
)

(select * from expected except select * from found)
union all
(select * from found except select * from expected)
