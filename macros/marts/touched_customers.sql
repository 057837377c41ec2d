{#-
  SQL: the customers whose dimension rows this run computes again, from what is new since `this` was
  last built: their own history, that of their addresses, and orders of customers without a visible
  version, whose inferred member is made (or made again) here.
-#}
{% macro touched_customers() %}
    select customers.customer_id
    from {{ ref('customers_history') }} as customers
    where customers._cdc_run > {{ cdc_history.consumed_run() }}
    union
    select addresses.customer_id
    from {{ ref('customer_addresses_history') }} as addresses
    where addresses._cdc_run > {{ cdc_history.consumed_run() }}
    union
    select orders.customer_id
    from {{ ref('stg_retail__orders') }} as orders
    left join {{ ref('customers_history') }} as visible
        on
            orders.customer_id = visible.customer_id
            and not visible.is_deleted
            and (visible.dbt_valid_to is null or visible.dbt_valid_from < visible.dbt_valid_to)
    where
        orders._cdc_run > {{ cdc_history.consumed_run() }}
        and orders.customer_id is not null
        and visible.customer_id is null
{% endmacro %}
