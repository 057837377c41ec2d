{#-
  Versions can vanish when a late change arrives, so whole customers are replaced: the pre-hook empties
  the touched ones and the query appends all their rows.
  Redshift: facts join by customer_key, and the replaced rows are found by customer_id.
-#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_touched(['customer_id'], touched_customers()) }}",
    dist='customer_key',
    sort='customer_id'
) }}

with

{% if is_incremental() %}
touched as (
    {{ touched_customers() }}
),
{% endif %}

-- what was never visible at a commit is no version
customers as (
    select
        history.customer_id,
        history.dbt_scd_id,
        history._cdc_tracked_hash,
        history.is_deleted,
        history.dbt_valid_from as valid_from,
        coalesce(history.dbt_valid_to, {{ cdc_history.end_of_time() }}) as valid_to
    from {{ ref('customers_history') }} as history
    where
        (history.dbt_valid_to is null or history.dbt_valid_from < history.dbt_valid_to)
        {% if is_incremental() %}
        and history.customer_id in (select touched.customer_id from touched)
        {% endif %}
),

addresses as (
    select
        history.customer_id,
        history.dbt_scd_id,
        history._cdc_tracked_hash,
        history.address_no,
        history.is_default and not history.is_deleted as is_default,
        history.dbt_valid_from as valid_from,
        coalesce(history.dbt_valid_to, {{ cdc_history.end_of_time() }}) as valid_to
    from {{ ref('customer_addresses_history') }} as history
    where
        (history.dbt_valid_to is null or history.dbt_valid_from < history.dbt_valid_to)
        {% if is_incremental() %}
        and history.customer_id in (select touched.customer_id from touched)
        {% endif %}
),

changes as (
    select
        customers.customer_id,
        customers.valid_from,
        customers.dbt_scd_id as customer_change_id,
        cast(null as varchar(32)) as address_change_id
    from customers
    union all
    select
        addresses.customer_id,
        addresses.valid_from,
        cast(null as varchar(32)) as customer_change_id,
        addresses.dbt_scd_id as address_change_id
    from addresses
),

-- the moments at which anything about a customer changed, with the identity of what changed then
moments as (
    select
        changes.customer_id,
        changes.valid_from,
        coalesce(max(changes.customer_change_id), '') as customer_change_id,
        coalesce(max(changes.address_change_id), '') as address_change_id
    from changes
    group by changes.customer_id, changes.valid_from
),

-- the customer and the default address as they were from each moment on; of several default
-- addresses, which the shop forbids, the one with the lowest number counts
states as (
    select
        moments.customer_id,
        moments.valid_from,
        moments.customer_change_id,
        moments.address_change_id,
        customers.dbt_scd_id as customer_version_id,
        addresses.dbt_scd_id as address_version_id,
        customers._cdc_tracked_hash
        || ':' || coalesce(addresses._cdc_tracked_hash, '') as visible_state,
        row_number() over (
            partition by moments.customer_id, moments.valid_from
            order by coalesce(addresses.address_no, 0)
        ) as address_rank
    from moments
    left join customers
        on
            moments.customer_id = customers.customer_id
            and moments.valid_from >= customers.valid_from
            and moments.valid_from < customers.valid_to
            and not customers.is_deleted
    left join addresses
        on
            moments.customer_id = addresses.customer_id
            and moments.valid_from >= addresses.valid_from
            and moments.valid_from < addresses.valid_to
            and addresses.is_default
),

timeline as (
    select
        states.customer_id,
        states.valid_from,
        states.customer_change_id,
        states.address_change_id,
        states.customer_version_id,
        states.address_version_id,
        states.visible_state,
        coalesce(
            lead(states.valid_from) over (
                partition by states.customer_id order by states.valid_from
            ),
            {{ cdc_history.end_of_time() }}
        ) as valid_to,
        coalesce(
            lag(states.visible_state) over (
                partition by states.customer_id order by states.valid_from
            ),
            'none'
        ) as previous_state,
        coalesce(
            lead(states.visible_state) over (
                partition by states.customer_id order by states.valid_from
            ),
            'none'
        ) as next_state
    from states
    where states.address_rank = 1
),

numbered as (
    select
        timeline.*,
        case when timeline.visible_state <> timeline.previous_state then 1 else 0 end as is_start,
        case when timeline.visible_state <> timeline.next_state then 1 else 0 end as is_end,
        sum(case when timeline.visible_state <> timeline.previous_state then 1 else 0 end) over (
            partition by timeline.customer_id
            order by timeline.valid_from
            rows between unbounded preceding and current row
        ) as version_number
    from timeline
    where timeline.visible_state is not null
),

-- consecutive equal states are one version: it starts with its first change, and what is not
-- tracked is as at its end
collapsed as (
    select
        numbered.customer_id,
        numbered.version_number,
        min(numbered.valid_from) as valid_from,
        max(numbered.valid_to) as valid_to,
        max(
            case when numbered.is_start = 1 then numbered.customer_change_id end
        ) as customer_change_id,
        max(
            case when numbered.is_start = 1 then numbered.address_change_id end
        ) as address_change_id,
        max(
            case when numbered.is_end = 1 then numbered.customer_version_id end
        ) as customer_version_id,
        max(
            case when numbered.is_end = 1 then numbered.address_version_id end
        ) as address_version_id,
        max(
            case when numbered.is_end = 1 and numbered.next_state = 'none' then 1 else 0 end
        ) as is_last_before_gap
    from numbered
    group by numbered.customer_id, numbered.version_number
),

members as (
    select
        collapsed.customer_id,
        cast('member' as varchar(8)) as member_kind,
        {{ cdc_history.key_hash([
            {'expression': 'collapsed.customer_id', 'data_type': 'bigint'},
            {'expression': 'collapsed.customer_change_id', 'data_type': 'varchar'},
            {'expression': 'collapsed.address_change_id', 'data_type': 'varchar'},
        ]) }} as customer_key,
        collapsed.customer_version_id,
        collapsed.address_version_id,
        -- facts from before the capture, or of the sign-up's transaction, find the first version
        case
            when collapsed.version_number = 1 then {{ cdc_history.beginning_of_time() }}
            else collapsed.valid_from
        end as valid_from,
        collapsed.valid_to,
        collapsed.is_last_before_gap = 1
        and collapsed.valid_to < {{ cdc_history.end_of_time() }} as is_deleted
    from collapsed
),

ordering_customers as (
    select orders.customer_id
    from {{ ref('stg_retail__orders') }} as orders
    where
        orders.customer_id is not null
        {% if is_incremental() %}
        and orders.customer_id in (select touched.customer_id from touched)
        {% endif %}
    group by orders.customer_id
),

known_customers as (
    select members.customer_id
    from members
    group by members.customer_id
),

-- customers of whom only orders are known so far
inferred as (
    select
        ordering_customers.customer_id,
        cast('inferred' as varchar(8)) as member_kind,
        {{ inferred_customer_key('ordering_customers.customer_id') }} as customer_key,
        cast(null as varchar(32)) as customer_version_id,
        cast(null as varchar(32)) as address_version_id,
        {{ cdc_history.beginning_of_time() }} as valid_from,
        {{ cdc_history.end_of_time() }} as valid_to,
        false as is_deleted
    from ordering_customers
    left join known_customers
        on ordering_customers.customer_id = known_customers.customer_id
    where known_customers.customer_id is null
),

versions as (
    select * from members
    union all
    select * from inferred
    {% if not is_incremental() %}
    union all
    select
        cast(null as bigint) as customer_id,
        cast('unknown' as varchar(8)) as member_kind,
        {{ unknown_customer_key() }} as customer_key,
        cast(null as varchar(32)) as customer_version_id,
        cast(null as varchar(32)) as address_version_id,
        {{ cdc_history.beginning_of_time() }} as valid_from,
        {{ cdc_history.end_of_time() }} as valid_to,
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
        customer_rows.phone,
        customer_rows.birth_date,
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
        customer_rows.created_at as signed_up_at,
        customer_rows.erased_at,
        versions.valid_from,
        versions.valid_to,
        versions.valid_to = {{ cdc_history.end_of_time() }} as is_current,
        versions.is_deleted,
        -- lineage
        {{ cdc_history.current_run() }} as _cdc_run
    from versions
    left join {{ ref('customers_history') }} as customer_rows
        on versions.customer_version_id = customer_rows.dbt_scd_id
    left join {{ ref('customer_addresses_history') }} as address_rows
        on versions.address_version_id = address_rows.dbt_scd_id
)

select * from final
