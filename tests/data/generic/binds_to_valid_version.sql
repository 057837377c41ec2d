{#-
  Our invariant I6, stated differently from how the facts compute it: the version that a fact points at
  is the newest one that began no later than the fact, or the first one when all began later; none where
  the fact names none.
  Looked at: the facts that this run wrote and those of what has versions that it wrote.

  versions  relation of the versions: of each `id` one at a time, from `valid_from` on
  bound     the column of the facts that points at a version; `version_key` in the versions
-#}
{% test binds_to_valid_version(
    model, key, time_column, versions, id, bound, version_key=none, valid_from='valid_from'
) %}
    {%- set version_key = version_key or bound %}
    with facts as (
        select facts.*
        from {{ model }} as facts
        where
            {{ cdc_history.in_audit('facts._cdc_run') }}
            or facts.{{ id }} in (
                select versions.{{ id }}
                from {{ versions }} as versions
                where {{ cdc_history.in_audit('versions._cdc_run') }}
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
                        when versions.{{ valid_from }} <= date_trunc('millisecond', facts.{{ time_column }})
                            then versions.{{ valid_from }}
                    end
                ),
                min(versions.{{ valid_from }})
            ) as valid_from
        from facts
        inner join {{ versions }} as versions
            on facts.{{ id }} = versions.{{ id }}
        where facts.{{ time_column }} is not null
        group by {% for column in key %}facts.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    )

    select
        {%- for column in key %}
        facts.{{ column }},
        {%- endfor %}
        facts.{{ id }},
        facts.{{ time_column }},
        facts.{{ bound }},
        bound.{{ id }} as bound_id,
        bound.{{ valid_from }} as bound_valid_from,
        expected.valid_from as expected_valid_from
    from facts
    left join expected
        on
            {% for column in key -%}
            {{ 'and ' if not loop.first }}facts.{{ column }} = expected.{{ column }}
            {% endfor %}
    left join {{ versions }} as bound
        on facts.{{ bound }} = bound.{{ version_key }}
    where
        (facts.{{ bound }} is not null and bound.{{ version_key }} is null)
        or (bound.{{ version_key }} is not null and {{ cdc_history.differs('bound.' ~ id, 'facts.' ~ id) }})
        or (
            facts.{{ id }} is not null
            and {{ cdc_history.differs('bound.' ~ valid_from, 'expected.valid_from') }}
        )
{% endtest %}
