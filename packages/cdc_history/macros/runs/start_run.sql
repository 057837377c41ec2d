{#-
  Run numbers and the run lock. One invocation that writes is one run; every row that a run inserts or
  changes carries its number in `_cdc_run`, and consumers read by it.
-#}
{% macro start_run(writes=none) %}
    {% if execute and (cdc_history.invocation_writes() if writes is none else writes) %}
        {% do run_query(cdc_history._create_tables_sql()) %}
        {% do run_query(cdc_history._take_run_number_sql()) %}
        {#- of two that start together both see both: the one with the lower number goes on -#}
        {% set other = run_query(cdc_history._live_runs_sql()).rows[0] %}
        {% if other[1] != invocation_id %}
            {% do cdc_history.refuse_run(
                "run " ~ other[0] ~ " (invocation " ~ other[1] ~ ") has been building target "
                ~ target.name ~ " since " ~ other[2] ~ " UTC. Two builds at once are refused: wait for"
                ~ " it to finish, or, if its process is dead, let its lock expire"
                ~ " (var run_expires_after_minutes: " ~ var('run_expires_after_minutes', 240) ~ ")."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro _create_tables_sql() %}
    create schema if not exists {{ cdc_history.operations_relation('runs').without_identifier().include(database=false) }};
    create table if not exists {{ cdc_history.operations_relation('runs') }} (
        run_number bigint,
        invocation_id varchar(64),
        started_at timestamp,
        finished_at timestamp,
        status varchar(20)
    );
    create table if not exists {{ cdc_history.operations_relation('watermarks') }} (
        consumer varchar(255),
        run_number bigint
    );
    create table if not exists {{ cdc_history.operations_relation('breaks') }} (
        test varchar(255),
        dbt_scd_id varchar(32)
    );
    create table if not exists {{ cdc_history.operations_relation('acceptances') }} (
        relation varchar(255),
        finding varchar(255),
        reason varchar(255),
        accepted_by varchar(255),
        accepted_at timestamp
    );
{% endmacro %}

{% macro _take_run_number_sql() %}
    {{ adapter.dispatch('_take_run_number_sql', 'cdc_history')() }}
{% endmacro %}

{#- DuckDB lets only one process open the file, so a run without an end belongs to a dead process. -#}
{% macro duckdb___take_run_number_sql() %}
    begin;
    update {{ cdc_history.operations_relation('runs') }}
    set status = 'abandoned', finished_at = {{ cdc_history.utc_now() }}
    where status = 'running';
    {{ cdc_history._insert_run_sql() }};
    commit;
{% endmacro %}

{#- Redshift serialises the two statements with a table lock (LOCK, Amazon Redshift SQL reference). -#}
{% macro redshift___take_run_number_sql() %}
    begin;
    lock {{ cdc_history.operations_relation('runs') }};
    update {{ cdc_history.operations_relation('runs') }}
    set status = 'abandoned', finished_at = {{ cdc_history.utc_now() }}
    where
        status = 'running'
        and started_at < dateadd(minute, -{{ var('run_expires_after_minutes', 240) }}, {{ cdc_history.utc_now() }});
    {{ cdc_history._insert_run_sql() }};
    commit;
{% endmacro %}

{% macro _insert_run_sql() %}
    insert into {{ cdc_history.operations_relation('runs') }} (run_number, invocation_id, started_at, status)
    select
        coalesce(max(runs.run_number), 0) + 1,
        '{{ invocation_id }}',
        {{ cdc_history.utc_now() }},
        'running'
    from {{ cdc_history.operations_relation('runs') }} as runs
{% endmacro %}

{% macro _live_runs_sql() %}
    select run_number, invocation_id, started_at
    from {{ cdc_history.operations_relation('runs') }}
    where status = 'running'
    order by run_number
{% endmacro %}
