{#-
  SQL: the keys of the facts that this run examines again, from what was written since `this` was last
  built: their own changes, their order (it may arrive in another run), their customer or store.

  Reading the last two from the dimensions, whose rows can vanish, is sound for two reasons. All rows of a
  touched customer are written anew, so the ones that remain carry the run. And a customer without any
  row left is in no fact: whatever id an order ever had keeps at least an inferred member. Reading it
  from the histories instead would miss customers after a run that built the facts but not the
  dimension.

  columns  the key of `this`
  changes  relations in which a change of a fact is written
  of_orders  a relation of the facts with their order_id, if they depend on it
  customer  whether they depend on the customer
-#}
{% macro touched_facts(columns, changes, of_orders=none, customer=true) %}
    {%- set names = columns | join(', ') %}
    {%- for relation in changes %}
    select {{ names }}
    from {{ relation }} as changed
    where changed._cdc_run > {{ cdc_history.consumed_run() }}
    union
    {%- endfor %}
    {%- if of_orders %}
    select {{ names }}
    from {{ of_orders }} as facts
    where
        facts.order_id in (
            select changed.order_id
            from {{ ref('orders_history') }} as changed
            where changed._cdc_run > {{ cdc_history.consumed_run() }}
        )
    union
    {%- endif %}
    {%- if customer %}
    select {{ names }}
    from {{ this }} as facts
    where
        facts.customer_id in (
            select customers.customer_id
            from {{ ref('dim_customer') }} as customers
            where customers._cdc_run > {{ cdc_history.consumed_run() }}
        )
    union
    {%- endif %}
    select {{ names }}
    from {{ this }} as facts
    where
        facts.store_id in (
            select stores.store_id
            from {{ ref('dim_store') }} as stores
            where stores._cdc_run > {{ cdc_history.consumed_run() }}
        )
{% endmacro %}
