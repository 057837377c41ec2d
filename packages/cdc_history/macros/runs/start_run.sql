{#-
  Run numbers and the run lock. One invocation that writes is one run; every row that a run inserts or
  changes carries its number in `_cdc_run`, and consumers read by it.
-#}
{% macro start_run(writes=none) %}
    {% if execute and (cdc_history.invocation_writes() if writes is none else writes) %}
        {% do run_query(cdc_history._together(cdc_history._create_tables_sql())) %}
        {% do adapter.dispatch('_widen_runs', 'cdc_history')() %}
        {% do run_query(cdc_history._take_run_number_sql()) %}
        {#- of two that start together both see both: the one with the lower number goes on -#}
        {% set other = run_query(cdc_history._live_runs_sql()).rows[0] %}
        {% if other[1] != invocation_id %}
            {% do cdc_history.refuse_run(
                "run " ~ other[0] ~ " (invocation " ~ other[1] ~ ") has been building target "
                ~ target.name ~ " since " ~ other[2] ~ " UTC" ~ adapter.dispatch('_holder', 'cdc_history')(other)
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

{#- Redshift serialises the statements with a table lock (LOCK, Amazon Redshift SQL reference). -#}
{% macro redshift___take_run_number_sql() %}
    {% set dead = cdc_history._dead_runs() %}
    begin;
    lock {{ cdc_history.operations_relation('runs') }};
    update {{ cdc_history.operations_relation('runs') }}
    set status = 'abandoned', finished_at = {{ cdc_history.utc_now() }}
    where
        status = 'running'
        and (
            started_at < dateadd(minute, -{{ var('run_expires_after_minutes', 240) }}, {{ cdc_history.utc_now() }})
            {{ "or invocation_id in ('" ~ dead | join("', '") ~ "')" if dead }}
        );
    {{ cdc_history._insert_run_sql() }};
    update {{ cdc_history.operations_relation('runs') }}
    set user_name = current_user
    where invocation_id = '{{ invocation_id }}';
    commit;
{% endmacro %}

{#- Whose run it is tells only a server with users; tables made before had no such column. -#}
{% macro default___widen_runs() %}{% endmacro %}
{% macro redshift___widen_runs() %}
    {% set runs = cdc_history.operations_relation('runs') %}
    {% set columns = run_query("select column_name from svv_columns where table_schema = '" ~ runs.schema
        ~ "' and table_name = '" ~ runs.identifier ~ "'").columns[0].values() %}
    {% if 'user_name' not in columns %}{% do run_query("alter table " ~ runs ~ " add column user_name varchar(128)") %}{% endif %}
{% endmacro %}

{% macro _insert_run_sql() %}
    insert into {{ cdc_history.operations_relation('runs') }} (run_number, invocation_id, started_at, status)
    select
        coalesce(max(runs.run_number), 0) + 1,
        '{{ invocation_id }}',
        {{ cdc_history.utc_now() }},
        'running'
    from {{ cdc_history.operations_relation('runs') }} as runs
    -- sent once more because nobody told that it was done, it adds nothing
    having count(case when runs.invocation_id = '{{ invocation_id }}' then 1 end) = 0
{% endmacro %}

{#-
  Rows that are appended never meet a conflict in Iceberg, so the lock is a row of its own: an UPDATE of it fails
  where another one came between. A table that two starts have made at once has the row twice, which is as good.
  What a dead process holds expires. The owner that was only paused finds its run abandoned, and fails (current_run).
-#}
{% macro spark___take_run_number_sql() %}
    {% set runs = cdc_history.operations_relation('runs') %}
    {% set lock = cdc_history.operations_relation('run_lock') %}
    {% set is_mine = "invocation_id = '" ~ invocation_id ~ "'" %}
    {% set statements %}
    create table if not exists {{ lock }} (run_number bigint, invocation_id varchar(64), taken_at timestamp);
    insert into {{ lock }} (run_number)
    select coalesce(max(run_number), 0)
    from {{ runs }}
    having not exists (select 1 from {{ lock }});
    update {{ lock }}
    set run_number = run_number + 1, invocation_id = '{{ invocation_id }}', taken_at = {{ cdc_history.utc_now() }}
    where
        invocation_id is null
        or taken_at < {{ cdc_history.utc_now() }} - interval '{{ var('run_expires_after_minutes', 240) }}' minute;
    update {{ runs }}
    set status = 'abandoned', finished_at = {{ cdc_history.utc_now() }}
    where status = 'running' and exists (select 1 from {{ lock }} where {{ is_mine }});
    insert into {{ runs }} (run_number, invocation_id, started_at, status)
    select distinct
        run_number,
        invocation_id,
        taken_at,
        'running'
    from {{ lock }}
    where {{ is_mine }};
    {% endset %}
    {{ return(cdc_history._together(statements)) }}
{% endmacro %}

{% macro default___release_lock_sql() %}{% endmacro %}
{% macro spark___release_lock_sql() %}
    update {{ cdc_history.operations_relation('run_lock') }}
    set invocation_id = null
    where invocation_id = '{{ invocation_id }}'
{% endmacro %}

{% macro _live_runs_sql() %}{{ return(adapter.dispatch('_live_runs_sql', 'cdc_history')()) }}{% endmacro %}
{% macro spark___live_runs_sql() %}
    select
        run_number,
        invocation_id,
        taken_at
    from {{ cdc_history.operations_relation('run_lock') }}
    where invocation_id is not null
{% endmacro %}
{% macro default___live_runs_sql() %}
    select run_number, invocation_id, started_at
    from {{ cdc_history.operations_relation('runs') }}
    where status = 'running'
    order by run_number
{% endmacro %}

{#-
  Which runs are dead: their process was killed. dbt opens a session for each node and closes it behind it, so
  no session stands for a run; what does is its statements, which say the invocation (query_comment). A run of
  which none is at work and the last one ended some minutes ago is dead. Redshift shows a user's own
  statements only (SYS_QUERY_HISTORY): a run of which none is seen is somebody else's, and keeps its lock until
  that expires.
-#}
{% macro _dead_runs() %}
    {% set dead = [] %}
    {% for run in run_query(cdc_history._live_runs_sql()).rows %}
        {% set heard = cdc_history._last_heard_of(run) %}
        {% if heard and not heard[1] and heard[2] >= var('run_silent_minutes', 10) | int %}
            {% do dead.append(run[1]) %}
            {% do log("run " ~ run[0] ~ " (invocation " ~ run[1] ~ ") began at " ~ run[2] ~ " UTC and left no end: its last"
                ~ " statement (session " ~ heard[0] ~ ") ended " ~ heard[2] ~ " minutes ago. It is taken over.", info=true) %}
        {% endif %}
    {% endfor %}
    {% do return(dead) %}
{% endmacro %}

{#-
  The run's last session, the number of its statements at work, and the minutes since the last one ended; none
  where none is seen. The statements behind the first of a string bear no comment, so sessions are looked for
  first. The pattern stands in two pieces: whoever asks must not be found.
-#}
{% macro _last_heard_of(run) %}
    {% set heard = run_query(
        "select max(session_id), sum(case when status in ('planning', 'queued', 'running', 'returning') then 1 else 0 end),"
        ~ " datediff(minute, max(coalesce(end_time, start_time)), getdate())"
        ~ " from sys_query_history"
        ~ " where start_time >= dateadd(minute, -5, cast('" ~ run[2] ~ "' as timestamp)) and session_id in"
        ~ " (select session_id from sys_query_history where query_text like '%" ~ '"invocation_id": "' ~ "' || '" ~ run[1] ~ "' || '"
        ~ '"' ~ "%')"
    ).rows[0] %}
    {% do return(heard if heard[0] is not none else none) %}
{% endmacro %}

{#- Who holds the lock, and what ends that. -#}
{% macro default___holder(run) %}{% do return(". Two builds at once are refused: wait for it to finish.") %}{% endmacro %}
{% macro spark___holder(run) %}
    {% do return(". Two builds at once are refused: wait for it to finish. If its process is dead, its lock expires after "
        ~ var('run_expires_after_minutes', 240) ~ " minutes (var run_expires_after_minutes).") %}
{% endmacro %}
{% macro redshift___holder(run) %}
    {% set runs = cdc_history.operations_relation('runs') %}
    {% set user = run_query("select user_name from " ~ runs ~ " where invocation_id = '" ~ run[1] ~ "'").rows[0][0] %}
    {% set heard = cdc_history._last_heard_of(run) %}
    {% do return(
        (" as user " ~ user if user else "")
        ~ ((", in session " ~ heard[0] ~ (" now" if heard[1] else ", silent for " ~ heard[2] ~ " minutes")) if heard else "")
        ~ ". Two builds at once are refused: wait for it to finish. If its process is dead, its lock expires "
        ~ (var('run_silent_minutes', 10) ~ " minutes after its last statement (var run_silent_minutes)" if heard
            else "after " ~ var('run_expires_after_minutes', 240) ~ " minutes (var run_expires_after_minutes)")
        ~ "; to end it now: `" ~ var('end_run_command', "update " ~ runs ~ " set status = 'abandoned' where run_number =") ~ " " ~ run[0] ~ "`"
    ) %}
{% endmacro %}
