{#- What was never visible at a commit is no version: rows of a history that end when they begin are left out. -#}
{% macro dimension_versions(name, key, histories, touched=none) %}
{% set keys = [] %}
{% for column in key %}{% do keys.append(adapter.quote(column)) %}{% endfor %}
{% set key_list = keys | join(', ') %}
{% set by_time = 'partition by ' ~ key_list ~ ' order by valid_from' %}
{% for history in histories %}
{% for option in history if option not in ['name', 'relation', 'counts', 'first_by'] %}
    {% do exceptions.raise_compiler_error(
        "dimension_versions: '" ~ option ~ "' is unknown; allowed: name, relation, counts, first_by") %}
{% endfor %}
{% set columns = cdc_history._snapshot_names(history['relation']) %}
{{ name }}_{{ history['name'] }} as (
    select
        {%- for column in keys %}
        history.{{ column }},
        {%- endfor %}
        history.{{ columns.dbt_scd_id }} as dbt_scd_id,
        history._cdc_tracked_hash,
        not history.is_deleted{{ ' and ' ~ history['counts'] if history['counts'] }} as counts,
        {{ history['first_by'] or 0 }} as place,
        history.{{ columns.dbt_valid_from }} as valid_from,
        coalesce(history.{{ columns.dbt_valid_to }}, {{ cdc_history.end_of_time() }}) as valid_to
    from {{ history['relation'] }} as history
    where
        (
            history.{{ columns.dbt_valid_to }} is null
            or history.{{ columns.dbt_valid_from }} < history.{{ columns.dbt_valid_to }}
        )
        {%- if touched %}
        and ({% for column in keys %}history.{{ column }}{{ ', ' if not loop.last }}{% endfor %}) in ({{ touched }})
        {%- endif %}
),
{% endfor %}

-- the moments at which anything changed, with the identity of what changed then
{{ name }}_moments as (
    select
        {{ key_list }},
        valid_from
        {%- for history in histories %},
        coalesce(max({{ history['name'] }}_change_id), '') as {{ history['name'] }}_change_id
        {%- endfor %}
    from (
        {%- for changed in histories %}
        {{ 'union all' if not loop.first }}
        select
            {{ key_list }},
            valid_from
            {%- for history in histories %},
            {{ 'dbt_scd_id' if history == changed else 'cast(null as varchar(32))' }} as {{ history['name'] }}_change_id
            {%- endfor %}
        from {{ name }}_{{ changed['name'] }}
        {%- endfor %}
    ) as changes
    group by {{ key_list }}, valid_from
),

-- everything as it was from each moment on
{{ name }}_states as (
    select
        moments.*
        {%- for history in histories %},
        {{ history['name'] }}.dbt_scd_id as {{ history['name'] }}_version_id
        {%- endfor %},
        {% for history in histories %}
        {{- history['name'] ~ '._cdc_tracked_hash' if loop.first
            else " || ':' || coalesce(" ~ history['name'] ~ "._cdc_tracked_hash, '')" }}
        {%- endfor %} as visible_state,
        row_number() over (
            partition by {% for column in keys %}moments.{{ column }}, {% endfor %}moments.valid_from
            order by {% for history in histories %}{{ history['name'] }}.place{{ ', ' if not loop.last }}{% endfor %}
        ) as place
    from {{ name }}_moments as moments
    {%- for history in histories %}
    left join {{ name }}_{{ history['name'] }} as {{ history['name'] }}
        on
            {% for column in keys -%}
            moments.{{ column }} = {{ history['name'] }}.{{ column }}
            and {% endfor -%}
            moments.valid_from >= {{ history['name'] }}.valid_from
            and moments.valid_from < {{ history['name'] }}.valid_to
            and {{ history['name'] }}.counts
    {%- endfor %}
),

{{ name }}_timeline as (
    select
        states.*,
        coalesce(lead(valid_from) over ({{ by_time }}), {{ cdc_history.end_of_time() }}) as valid_to,
        coalesce(lag(visible_state) over ({{ by_time }}), 'none') as previous_state,
        coalesce(lead(visible_state) over ({{ by_time }}), 'none') as next_state
    from {{ name }}_states as states
    where place = 1
),

{{ name }}_numbered as (
    select
        timeline.*,
        sum(case when visible_state <> previous_state then 1 else 0 end)
            over ({{ by_time }} rows between unbounded preceding and current row) as version_number
    from {{ name }}_timeline as timeline
    where visible_state is not null
),

-- consecutive equal states are one version: it starts with its first change, and what is not
-- tracked is as at its end
{{ name }}_collapsed as (
    select
        {{ key_list }},
        version_number,
        min(valid_from) as first_moment,
        max(valid_to) as valid_to,
        max(case when next_state = 'none' then valid_to end) as gap_from
        {%- for history in histories %},
        max(case when visible_state <> previous_state then {{ history['name'] }}_change_id end)
            as {{ history['name'] }}_change_id,
        max(case when visible_state <> next_state then {{ history['name'] }}_version_id end)
            as {{ history['name'] }}_version_id
        {%- endfor %}
    from {{ name }}_numbered
    group by {{ key_list }}, version_number
),

{{ name }} as (
    select
        {{ key_list }},
        version_number
        {%- for history in histories %},
        {{ history['name'] }}_change_id,
        {{ history['name'] }}_version_id
        {%- endfor %},
        -- facts from before the capture, or of the first commit itself, find the first version
        case when version_number = 1 then {{ cdc_history.beginning_of_time() }} else first_moment end as valid_from,
        valid_to,
        valid_to = {{ cdc_history.end_of_time() }} as is_current,
        coalesce(gap_from < {{ cdc_history.end_of_time() }}, false) as is_deleted
    from {{ name }}_collapsed
)
{% endmacro %}
