{#-
  Versions can vanish when a late change arrives, so whole customers are replaced: the pre-hook empties
  the touched ones and the query appends all their rows.
  Redshift: facts join by customer_key, and the replaced rows are found by customer_id.
-#}
{{ config(
    incremental_strategy='append',
    pre_hook="{{ delete_touched(['customer_id'], touched_customers()) }}",
    dist='customer_key',
    sort='customer_id'
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_keys(touched_customers()) }}
),
{% endif %}

-- of several default addresses, which the shop forbids, the one with the lowest number counts
{{ cdc_history.dimension_versions('members', ['customer_id'], [
    {'name': 'customer', 'relation': ref('customers_history')},
    {'name': 'address', 'relation': ref('customer_addresses_history'),
     'counts': 'history.is_default', 'first_by': 'history.address_no'},
], touched='select touched.customer_id from touched' if is_incremental()) }},

versions as (
    select
        members.customer_id,
        cast('member' as varchar(8)) as member_kind,
        members.customer_id as _member_id,
        {{ cdc_history.key_hash([
            {'expression': 'members.customer_id', 'data_type': 'bigint'},
            {'expression': 'members.customer_change_id', 'data_type': 'varchar'},
            {'expression': 'members.address_change_id', 'data_type': 'varchar'},
        ]) }} as customer_key,
        members.customer_version_id,
        members.address_version_id,
        members.valid_from,
        members.valid_to,
        members.is_current,
        members.is_deleted
    from members
    union all
    -- customers of whom only orders are known so far
    select
        orders.customer_id,
        cast('inferred' as varchar(8)) as member_kind,
        cast(null as bigint) as _member_id,
        {{ inferred_customer_key('orders.customer_id') }} as customer_key,
        cast(null as varchar(32)) as customer_version_id,
        cast(null as varchar(32)) as address_version_id,
        {{ cdc_history.beginning_of_time() }} as valid_from,
        {{ cdc_history.end_of_time() }} as valid_to,
        true as is_current,
        false as is_deleted
    from {{ ref('stg_retail__orders') }} as orders
    left join members
        on orders.customer_id = members.customer_id
    where
        orders.customer_id is not null
        and members.customer_id is null
        {% if is_incremental() %}
        and orders.customer_id in (select touched.customer_id from touched)
        {% endif %}
    group by orders.customer_id

    {% if not is_incremental() %}
    union all

    select
        cast(null as bigint) as customer_id,
        cast('unknown' as varchar(8)) as member_kind,
        cast(null as bigint) as _member_id,
        {{ unknown_key() }} as customer_key,
        cast(null as varchar(32)) as customer_version_id,
        cast(null as varchar(32)) as address_version_id,
        {{ cdc_history.beginning_of_time() }} as valid_from,
        {{ cdc_history.end_of_time() }} as valid_to,
        true as is_current,
        false as is_deleted
    {% endif %}
),

final as (
    select
        -- keys
        versions.customer_key,
        versions.customer_id,
        -- attributes
        versions.member_kind,
        customer_rows.email,
        customer_rows.first_name,
        customer_rows.last_name,
        newest.phone,
        newest.birth_date,
        customer_rows.tier,
        customer_rows.marketing_consent as has_marketing_consent,
        customer_rows.preferred_store_id,
        address_rows.line_1 as address_line_1,
        address_rows.line_2 as address_line_2,
        address_rows.city,
        address_rows.region,
        address_rows.postal_code,
        address_rows.country_code,
        -- timestamps
        newest.created_at as signed_up_at,
        customer_rows.erased_at,
        versions.valid_from,
        versions.valid_to,
        versions.is_current,
        versions.is_deleted,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from versions
    left join {{ ref('customers_history') }} as customer_rows
        on versions.customer_version_id = customer_rows.dbt_scd_id
    -- what is not tracked is as it is known now, in every version (SCD 1)
    left join {{ ref('customers_history') }} as newest
        on
            versions._member_id = newest.customer_id
            and newest.dbt_valid_to is null
    left join {{ ref('customer_addresses_history') }} as address_rows
        on versions.address_version_id = address_rows.dbt_scd_id
)

select * from final
