{#-
  Our invariant I6, stated differently from how the facts compute it: the version that a fact points at
  is its customer's newest one that began no later than the fact, or the first one when all began later.
  Looked at: the facts that this run wrote and those of customers whose versions it wrote.
-#}
{% test binds_to_valid_version(model, key, time_column) %}
    with facts as (
        select facts.*
        from {{ model }} as facts
        where
            {{ cdc_history.in_audit('facts._cdc_run') }}
            or facts.customer_id in (
                select customers.customer_id
                from {{ ref('dim_customer') }} as customers
                where {{ cdc_history.in_audit('customers._cdc_run') }}
            )
    ),

    expected as (
        select
            {%- for column in key %}
            facts.{{ column }},
            {%- endfor %}
            coalesce(
                max(
                    case
                        when customers.valid_from <= date_trunc('millisecond', facts.{{ time_column }})
                            then customers.valid_from
                    end
                ),
                min(customers.valid_from)
            ) as valid_from
        from facts
        inner join {{ ref('dim_customer') }} as customers
            on facts.customer_id = customers.customer_id
        group by {% for column in key %}facts.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    )

    select
        {%- for column in key %}
        facts.{{ column }},
        {%- endfor %}
        facts.customer_id,
        facts.{{ time_column }},
        facts.customer_key,
        bound.customer_id as bound_customer_id,
        bound.valid_from as bound_valid_from,
        expected.valid_from as expected_valid_from
    from facts
    left join expected
        on
            {% for column in key -%}
            {{ 'and ' if not loop.first }}facts.{{ column }} = expected.{{ column }}
            {% endfor %}
    left join {{ ref('dim_customer') }} as bound
        on facts.customer_key = bound.customer_key
    where
        bound.customer_key is null
        or {{ cdc_history.differs('bound.customer_id', 'facts.customer_id') }}
        or (facts.customer_id is null and bound.member_kind <> 'unknown')
        or (facts.customer_id is not null and {{ cdc_history.differs('bound.valid_from', 'expected.valid_from') }})
{% endtest %}
