{#-
  What differs between two histories of one table, version by version: `opened` are in the right one
  only, `closed` in the left one only, `moved` are in both with other bounds or values.

  table   a declared table with history: all
  left    side name, or 'live'
  right   side name, or 'live'
-#}
{% macro _history_diff_sql(table, left, right) %}
    {% set key = row_key(table) %}
    select
        case
            when left_side.dbt_scd_id is null then 'opened'
            when right_side.dbt_scd_id is null then 'closed'
            else 'moved'
        end as difference,
        {%- for column in key %}
        coalesce(left_side.{{ column }}, right_side.{{ column }}) as {{ column }},
        {%- endfor %}
        coalesce(left_side._cdc_position, right_side._cdc_position) as _cdc_position,
        coalesce(left_side._cdc_op, right_side._cdc_op) as _cdc_op,
        left_side.dbt_valid_from as left_valid_from,
        left_side.dbt_valid_to as left_valid_to,
        right_side.dbt_valid_from as right_valid_from,
        right_side.dbt_valid_to as right_valid_to
    from (
        select * from {{ history_relation(table, left) }}
        where {{ part_condition(table) or '1 = 1' }}
    ) as left_side
    full outer join {{ history_relation(table, right) }} as right_side
        on left_side.dbt_scd_id = right_side.dbt_scd_id
    where
        left_side.dbt_scd_id is null
        or right_side.dbt_scd_id is null
        or {{ cdc_history.differs('left_side.dbt_valid_from', 'right_side.dbt_valid_from') }}
        or {{ cdc_history.differs('left_side.dbt_valid_to', 'right_side.dbt_valid_to') }}
        or {{ cdc_history.differs('left_side._cdc_row_hash', 'right_side._cdc_row_hash') }}
{% endmacro %}

{% macro history_relation(table, side) %}
    {% do return(side_relation('history', table ~ '_history', side)) %}
{% endmacro %}

{% macro side_relation(schema, identifier, side) %}
    {% do return(api.Relation.create(
        database=target.database,
        schema=('' if side == 'live' else side ~ '_') ~ (live_schema_name(schema) | trim),
        identifier=identifier,
        type='table'
    )) %}
{% endmacro %}

{% macro history_diff(table, left='live', right='rebuild', first=20) %}
    {% for relation in [history_relation(table, left), history_relation(table, right)] %}
        {% if load_relation(relation) is none %}
            {% do exceptions.raise_compiler_error(
                relation ~ " does not exist: build it first (lakehouse rebuild " ~ table ~ ")") %}
        {% endif %}
    {% endfor %}
    {% set counts_sql %}
        select difference, count(*) from ({{ _history_diff_sql(table, left, right) }}) as differences
        group by difference
    {% endset %}
    {% set found = {'opened': 0, 'closed': 0, 'moved': 0} %}
    {% for row in run_query(counts_sql).rows %}{% do found.update({row[0]: row[1] | int}) %}{% endfor %}
    {% do print(
        table ~ ": " ~ left ~ " -> " ~ right ~ ": " ~ found['opened'] ~ " versions opened, "
        ~ found['closed'] ~ " closed, " ~ found['moved'] ~ " moved") %}
    {% set first_sql %}
        select * from ({{ _history_diff_sql(table, left, right) }}) as differences
        order by {{ row_key(table) | join(', ') }}, _cdc_position, _cdc_op
        limit {{ first | int }}
    {% endset %}
    {% if found['opened'] + found['closed'] + found['moved'] > 0 %}
        {% do run_query(first_sql).print_table(max_rows=none, max_columns=none, max_column_width=none) %}
    {% endif %}
{% endmacro %}
