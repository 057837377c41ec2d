{{ config(materialized='view') }}

with

versions as (
    select * from {{ ref('dim_customer').render() }}
),

ranked as (
    select
        versions.*,
        row_number() over (
            partition by versions.customer_id order by versions.valid_from desc
        ) as version_rank
    from versions
),

final as (
    select
        -- keys
        ranked.customer_key,
        ranked.customer_id,
        -- attributes
        ranked.member_kind,
        ranked.email,
        ranked.first_name,
        ranked.last_name,
        ranked.phone,
        ranked.birth_date,
        ranked.tier,
        ranked.has_marketing_consent,
        ranked.preferred_store_id,
        ranked.address_line_1,
        ranked.address_line_2,
        ranked.city,
        ranked.region,
        ranked.postal_code,
        ranked.country_code,
        -- timestamps
        ranked.signed_up_at,
        ranked.erased_at,
        ranked.valid_from,
        ranked.valid_to,
        ranked.is_deleted,
        -- lineage
        ranked._cdc_run
    from ranked
    where ranked.version_rank = 1
)

select * from final
