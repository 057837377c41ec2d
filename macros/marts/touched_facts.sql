{#-
  A fact and its order may arrive in different runs.

  Reading customers and stores from the dimensions, whose rows can vanish, is sound for two reasons. All rows of a
  touched customer are written anew, so the ones that remain carry the run. And a customer without any
  row left is in no fact: whatever id an order ever had keeps at least an inferred member. Reading it
  from the histories instead would miss customers after a run that built the facts but not the
  dimension.
-#}
{% macro touched_facts(columns, changes, of_orders=none, customer=true, versions={}) %}
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
    {%- for id, relation in versions.items() %}
    select {{ names }}
    from {{ this }} as facts
    where
        facts.{{ id }} in (
            select changed.{{ id }}
            from {{ relation }} as changed
            where changed._cdc_run > {{ cdc_history.consumed_run() }}
        )
    union
    {%- endfor %}
    {%- for member in ['customer', 'store'] if customer or member != 'customer' %}
    select {{ names }}
    from {{ this }} as facts
    where
        facts.{{ member }}_id in (
            select members.{{ member }}_id
            from {{ ref('dim_' ~ member) }} as members
            where members._cdc_run > {{ cdc_history.consumed_run() }}
        )
    {{ 'union' if not loop.last }}
    {%- endfor %}
{% endmacro %}
