{#-
  Operation: puts the log and the history of a side build in the place of the live ones, as a whole or
  for the chosen keys or tenant (vars `keys`, `tenant`), in one transaction and under the run lock. The rows get a new run
  number, so everything that reads them follows in the next build. Refused when live holds records that
  landing no longer has (their versions would be lost), unless accept_loss says so.

  A whole table is made anew like the side build's, because types may have changed.

  dbt run-operation swap_rebuilt --args '{table: customers, side: rebuild}'
-#}
{% macro swap_rebuilt(table, side='rebuild', accept_loss=false) %}
    {% set history = declared_meta(table)['history'] == 'all' %}
    {% set live_log = side_relation('staging', table ~ '__log', 'live') %}
    {% set side_log = side_relation('staging', table ~ '__log', side) %}
    {% if load_relation(side_log) is none %}
        {% do exceptions.raise_compiler_error(
            side_log ~ " does not exist: build it first (lakehouse rebuild " ~ table ~ ")") %}
    {% endif %}
    {% set part = part_condition(table) %}
    {% set in_scope = part or '1 = 1' %}
    {% set missing = run_query(_missing_records_sql(live_log, side_log, in_scope)).rows[0][0] | int %}
    {% if missing > 0 and not accept_loss %}
        {% do exceptions.raise_compiler_error(
            table ~ ": " ~ missing ~ " accepted records of the live log are not in the rebuilt one"
            ~ " (landing no longer holds them, or the declaration now rejects them). Swapping would"
            ~ " lose their versions. Compare with `lakehouse diff " ~ table ~ "`; to go on all the"
            ~ " same, repeat with --accept-loss.") %}
    {% endif %}
    {% set log_columns = adapter.get_columns_in_relation(side_log) | map(attribute='name') | list %}
    {% set new_columns = {live_log: adapter.get_missing_columns(side_log, live_log)} %}
    {% if history %}
        {% set side_history = history_relation(table, side) %}
        {% set live_history = history_relation(table, 'live') %}
        {% set versions = adapter.get_columns_in_relation(side_history) | map(attribute='name') | list %}
        {% do new_columns.update({live_history: adapter.get_missing_columns(side_history, live_history)}) %}
    {% endif %}
    {#- reading the columns has begun a transaction of dbt's own -#}
    {% do adapter.commit() %}
    {% do cdc_history.start_run(writes=true) %}
    {% set swap_sql %}
        begin;
        {% if part %}
        {% for relation, columns in new_columns.items() %}
        {% for column in columns %}
        alter table {{ relation }} add column {{ column.name }} {{ column.data_type }};
        {% endfor %}
        {% endfor %}
        {#- records that the live log has not reached stay out: its maximum offset is its watermark -#}
        create temporary table reached_by_live as
        select _cdc_incarnation, kafka_partition, max(kafka_offset) as kafka_offset
        from {{ live_log }}
        group by _cdc_incarnation, kafka_partition;
        delete from {{ live_log }} where {{ in_scope }};
        insert into {{ live_log }} ({{ log_columns | join(', ') }})
        select {{ _with_this_run(log_columns, 'rebuilt') }}
        from {{ side_log }} as rebuilt
        inner join reached_by_live
            on
                rebuilt._cdc_incarnation = reached_by_live._cdc_incarnation
                and rebuilt.kafka_partition = reached_by_live.kafka_partition
                and rebuilt.kafka_offset <= reached_by_live.kafka_offset;
        drop table reached_by_live;
        {% else %}
        {{ _made_anew(live_log, side_log, log_columns) }}
        {% endif %}
        {% if history and part %}
        delete from {{ live_history }} where {{ in_scope }};
        insert into {{ live_history }} ({{ versions | join(', ') }})
        select {{ _with_this_run(versions) }} from {{ side_history }};
        {% elif history %}
        {{ _made_anew(live_history, side_history, versions) }}
        {% endif %}
        {{ save_declaration_sql(table) }};
        commit;
    {% endset %}
    {% do run_query(swap_sql) %}
    {% do run_query(cdc_history.end_run_sql('succeeded')) %}
    {% do print(table ~ ": the rebuilt log" ~ (" and history are" if history else " is") ~ " live; the next"
        ~ " `dbt build` brings everything that reads it up to date") %}
    {% if missing > 0 %}
        {% do print(
            table ~ ": " ~ missing ~ " accepted records are gone. Keys of which nothing is left stay in the"
            ~ " marts until `dbt build --full-refresh` of what reads the table") %}
    {% endif %}
{% endmacro %}

{% macro _missing_records_sql(live_log, side_log, in_scope) %}
    select count(*)
    from (select * from {{ live_log }} where _cdc_status = 'accepted' and {{ in_scope }}) as live
    left join {{ side_log }} as rebuilt
        on
            live._cdc_incarnation = rebuilt._cdc_incarnation
            and live.kafka_partition = rebuilt.kafka_partition
            and live.kafka_offset = rebuilt.kafka_offset
            and rebuilt._cdc_status = 'accepted'
    where rebuilt.kafka_offset is null
{% endmacro %}

{#- SQL: the live table with all that the side build's has, and with its types. -#}
{% macro _made_anew(live, side, columns) %}
        drop table {{ live }};
        {{ create_table_like(live, side) }};
        insert into {{ live }} ({{ columns | join(', ') }})
        select {{ _with_this_run(columns) }} from {{ side }};
{% endmacro %}

{% macro _with_this_run(columns, relation='') -%}
    {%- for name in columns -%}
        {{ cdc_history.current_run() ~ ' as _cdc_run' if name == '_cdc_run'
            else (relation ~ '.' if relation else '') ~ name }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro drop_side(side='rebuild') %}
    {% for schema in ['staging', 'history', 'marts', 'operations'] %}
        {% do run_query("drop schema if exists " ~ side_relation(schema, none, side).without_identifier().include(database=false) ~ " cascade") %}
    {% endfor %}
{% endmacro %}
