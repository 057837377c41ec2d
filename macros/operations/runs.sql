{#-
  Run numbers and the run lock (design: operations.runs). One invocation that writes is one run;
  every row that a run inserts or changes carries its number in `_cdc_run`, and consumers read by it.
-#}

{#- on-run-start: creates what is missing in `operations`, refuses a second live run, takes a number. -#}
{% macro start_run(writes=none) %}
    {% if execute and (invocation_writes() if writes is none else writes) %}
        {% do run_query(create_operations_sql()) %}
        {% do run_query(take_run_number_sql()) %}
        {#- of two that start together both see both: the one with the lower number goes on -#}
        {% set other = run_query(live_runs_sql()).rows[0] %}
        {% if other[1] != invocation_id %}
            {% do run_query(drop_run_sql()) %}
            {% do exceptions.raise_compiler_error(
                "run " ~ other[0] ~ " (invocation " ~ other[1] ~ ") has been building target "
                ~ target.name ~ " since " ~ other[2] ~ " UTC. Two builds at once are refused: wait for"
                ~ " it to finish, or, if its process is dead, let its lock expire"
                ~ " (var run_expires_after_minutes: " ~ var('run_expires_after_minutes') ~ ")."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- on-run-end: releases the lock and keeps how the run ended. -#}
{% macro finish_run(results) %}
    {% if execute and invocation_writes() %}
        {% set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error']) | list %}
        {{ end_run_sql('failed' if failed else 'succeeded') }}
    {% endif %}
{% endmacro %}

{% macro end_run_sql(status) %}
    update {{ operations_relation('runs') }}
    set finished_at = {{ utc_now() }}, status = '{{ status }}'
    where invocation_id = '{{ invocation_id }}'
{% endmacro %}

{#- Whether this invocation is a command that builds models or snapshots. -#}
{% macro invocation_writes() %}
    {% do return(flags.WHICH in ['build', 'run', 'snapshot', 'retry']) %}
{% endmacro %}

{#- Scalar SQL expression: the number of this run. -#}
{% macro current_run() -%}
    (
        select this_run.run_number
        from {{ operations_relation('runs') }} as this_run
        where this_run.invocation_id = '{{ invocation_id }}'
    )
{%- endmacro %}

{% macro create_operations_sql() %}
    create schema if not exists {{ operations_relation('runs').without_identifier().include(database=false) }};
    create table if not exists {{ operations_relation('runs') }} (
        run_number bigint,
        invocation_id varchar(64),
        started_at timestamp,
        finished_at timestamp,
        status varchar(20)
    );
    create table if not exists {{ operations_relation('watermarks') }} (
        consumer varchar(255),
        run_number bigint
    );
    create table if not exists {{ operations_relation('declarations') }} (
        table_name varchar(128),
        declaration varchar(32),
        columns varchar(65535),
        accepted_at timestamp
    );
{% endmacro %}

{% macro take_run_number_sql() %}
    {{ adapter.dispatch('take_run_number_sql')() }}
{% endmacro %}

{#- DuckDB lets only one process open the file, so a run without an end belongs to a dead process. -#}
{% macro duckdb__take_run_number_sql() %}
    begin;
    update {{ operations_relation('runs') }}
    set status = 'abandoned', finished_at = {{ utc_now() }}
    where status = 'running';
    {{ insert_run_sql() }};
    commit;
{% endmacro %}

{#- Redshift serialises the two statements with a table lock (LOCK, Amazon Redshift SQL reference). -#}
{% macro redshift__take_run_number_sql() %}
    begin;
    lock {{ operations_relation('runs') }};
    update {{ operations_relation('runs') }}
    set status = 'abandoned', finished_at = {{ utc_now() }}
    where
        status = 'running'
        and started_at < dateadd(minute, -{{ var('run_expires_after_minutes') }}, {{ utc_now() }});
    {{ insert_run_sql() }};
    commit;
{% endmacro %}

{% macro insert_run_sql() %}
    insert into {{ operations_relation('runs') }} (run_number, invocation_id, started_at, status)
    select
        coalesce(max(runs.run_number), 0) + 1,
        '{{ invocation_id }}',
        {{ utc_now() }},
        'running'
    from {{ operations_relation('runs') }} as runs
{% endmacro %}

{% macro drop_run_sql() %}
    delete from {{ operations_relation('runs') }} where invocation_id = '{{ invocation_id }}'
{% endmacro %}

{% macro live_runs_sql() %}
    select run_number, invocation_id, started_at
    from {{ operations_relation('runs') }}
    where status = 'running'
    order by run_number
{% endmacro %}
