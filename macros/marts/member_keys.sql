{#- Surrogate keys of rows that facts find though the shop has none; see docs/metrics.md, "Members". -#}

{% macro unknown_key() -%}
    {{ cdc_history.key_hash([{'expression': "'unknown'", 'data_type': 'varchar'}]) }}
{%- endmacro %}

{#- No text of the shop's has this key: the separator in front would be escaped. -#}
{% macro none_key() -%}
    {{ cdc_history.key_hash([
        {'expression': "''", 'data_type': 'varchar'},
        {'expression': "'none'", 'data_type': 'varchar'},
    ]) }}
{%- endmacro %}

{#- The key of an SCD 1 dimension follows from the id alone: the inferred member becomes the member. -#}
{% macro member_key(id, data_type, otherwise=none) -%}
    coalesce(
        {{ cdc_history.key_hash([{'expression': id, 'data_type': data_type}]) }},
        {{ otherwise or unknown_key() }}
    )
{%- endmacro %}

{% macro inferred_customer_key(customer_id) -%}
    {{ cdc_history.key_hash([
        {'expression': customer_id, 'data_type': 'bigint'},
        {'expression': "'inferred'", 'data_type': 'varchar'},
    ]) }}
{%- endmacro %}

{#-
  SQL: the versions of what `facts` (a CTE with `id`) name, with the time in which facts bind to each. That
  time has no holes: it starts with the version and ends with the next one, so a fact in the gap after a
  delete finds the version before it; the first version takes all earlier facts and the last one all later
  ones. One version matches a fact of a known id.
-#}
{% macro bindable_versions(versions, id, columns, facts, valid_from='valid_from', where=none) %}
    {%- set by_time = 'partition by versions.' ~ id ~ ' order by versions.' ~ valid_from %}
    select
        versions.{{ id }},
        {%- for column in columns %}
        versions.{{ column }},
        {%- endfor %}
        case
            when row_number() over ({{ by_time }}) = 1 then cast('0001-01-01 00:00:00' as timestamp)
            else versions.{{ valid_from }}
        end as bound_from,
        coalesce(
            lead(versions.{{ valid_from }}) over ({{ by_time }}),
            {{ cdc_history.end_of_time() }}
        ) as bound_until
    from {{ versions }} as versions
    where
        versions.{{ id }} in (select {{ facts }}.{{ id }} from {{ facts }})
        {%- if where %}
        and {{ where }}
        {%- endif %}
{% endmacro %}

{#-
  SQL condition of the join of facts with bindable_versions(). Commit times have milliseconds and the
  shop's own clock microseconds: both are compared at milliseconds. A fact without a time binds to none.
  Plain comparisons only: an `or` here, or a condition of the facts alone, would make DuckDB compare every
  fact with every version (tests/marts/test_star_in_rounds.py).
-#}
{% macro binds(facts, fact_time, versions, id) -%}
    {%- set last_moment = "cast('9999-12-30 23:59:59.999' as timestamp)" -%}
    {%- set moment -%}
        case when {{ fact_time }} is not null then least(date_trunc('millisecond', {{ fact_time }}), {{ last_moment }}) end
    {%- endset -%}
    {{ facts }}.{{ id }} = {{ versions }}.{{ id }}
    and {{ moment }} >= {{ versions }}.bound_from
    and {{ moment }} < {{ versions }}.bound_until
{%- endmacro %}

{% macro bound_customer_key(customer_id, customers) -%}
    coalesce(
        {{ customers }}.customer_key,
        {{ inferred_customer_key(customer_id) }},
        {{ unknown_key() }}
    )
{%- endmacro %}
