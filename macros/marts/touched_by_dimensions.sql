{#-
  SQL: the keys of the rows of `this` (a fact with customer_id and store_id) whose customer or store
  was written since `this` was last built. They are examined again; only rows that differ are written.

  Reading this from the dimensions, whose rows can vanish, is sound for two reasons. All rows of a
  touched customer are written anew, so the ones that remain carry the run. And a customer without any
  row left is in no fact: whatever id an order ever had keeps at least an inferred member. Reading it
  from the histories instead would miss customers after a run that built the facts but not the
  dimension.

  columns  the key of `this`
  customer, store  whether the fact depends on them
#}
{% macro touched_by_dimensions(columns, customer=true, store=true) %}
    {%- if customer %}
    select {% for column in columns %}facts.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ this }} as facts
    where
        facts.customer_id in (
            select customers.customer_id
            from {{ ref('dim_customer') }} as customers
            where customers._cdc_run > {{ cdc_history.consumed_run() }}
        )
    {%- endif %}
    {%- if customer and store %}
    union
    {%- endif %}
    {%- if store %}
    select {% for column in columns %}facts.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ this }} as facts
    where
        facts.store_id in (
            select stores.store_id
            from {{ ref('dim_store') }} as stores
            where stores._cdc_run > {{ cdc_history.consumed_run() }}
        )
    {%- endif %}
{% endmacro %}
