{#-
  What each run did, as operations.node_runs: a row for each node that changed rows, failed or warned, with its
  seconds and rows; what only passed, was unchanged or skipped shares one row a kind, without a name, unless the last
  that is known of it is a failure. Rows of more than a week ago become one a day, and those of more than 400 days go: a run a second fills it with no more than
  a week of runs.
-#}

{#- on-run-start: the table, on which the view node_results stands; and that of `lakehouse reconcile`'s verdicts. -#}
{% macro prepare_results() %}
    {% if execute and _keeps_results() %}
        create table if not exists {{ cdc_history.operations_relation('node_runs') }} (
            run_number bigint,
            ran_on date,
            is_day boolean,
            resource_type varchar(20),
            node varchar(255),
            status varchar(20),
            node_count bigint,
            seconds decimal(18, 3),
            row_count bigint
        );
        create table if not exists {{ cdc_history.operations_relation('reconciliations') }} (
            compared varchar(255),
            differing_count bigint,
            reconciled_at timestamp
        );
    {% endif %}
{% endmacro %}

{#- on-run-end, behind the one that ends the run. -#}
{% macro record_results(results) %}
    {% if execute and _keeps_results() and not flags.EMPTY and results %}
        {% set runs = run_query(
            "select run_number from " ~ cdc_history.operations_relation('runs') ~ " where invocation_id = '" ~ invocation_id ~ "'"
        ).rows %}
        {% for run in runs %}{{ _record_results_sql(run[0], results) }};{% endfor %}
        {% set old = "not is_day and ran_on < " ~ _days_ago(7) %}
        {% if run_query("select 1 from " ~ cdc_history.operations_relation('node_runs') ~ " where " ~ old ~ " limit 1").rows %}
            {{ _shorten_results_sql(old) }}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- The report does not read the lake yet. -#}
{% macro _keeps_results() %}{{ return(cdc_history.invocation_writes() and target.type != 'spark') }}{% endmacro %}

{% macro _days_ago(days) %}
    {%- do return("cast(" ~ dbt.dateadd('day', -days, cdc_history.utc_now()) ~ " as date)") -%}
{% endmacro %}

{#- Rows that a node changed bear the run's number; those of a data test are what it found. -#}
{% macro _record_results_sql(run, results) %}
    insert into {{ cdc_history.operations_relation('node_runs') }} (
        run_number, ran_on, is_day, resource_type, node, status, node_count, seconds, row_count
    )
    select
        {{ run }},
        cast({{ cdc_history.utc_now() }} as date),
        false,
        ended.resource_type,
        case
            when ended.status = 'skipped' or (ended.status in ('pass', 'unchanged') and failed.node is null) then ''
            else ended.node
        end,
        ended.status,
        count(*),
        cast(sum(ended.seconds) as decimal(18, 3)),
        sum(ended.row_count)
    from (
        select
            counted.resource_type,
            counted.node,
            case
                when counted.status = 'success' and counted.row_count = 0 then 'unchanged'
                when counted.status = 'success' then 'changed'
                when counted.status in ('fail', 'warn', 'pass', 'skipped') then counted.status
                else 'error'
            end as status,
            counted.seconds,
            counted.row_count
        from (
            {%- for result in results if result.node.resource_type in ['model', 'snapshot', 'seed', 'test'] %}
            select
                '{{ result.node.resource_type }}' as resource_type,
                '{{ result.node.name[:250] }}' as node,
                '{{ result.status }}' as status,
                cast({{ '%.3f' | format(result.execution_time) }} as decimal(18, 3)) as seconds,
                {{ _changed_rows(run, result) }} as row_count
            {{ 'union all' if not loop.last }}
            {%- else %}
            select '' as resource_type, '' as node, '' as status, 0 as seconds, 0 as row_count where false
            {%- endfor %}
        ) as counted
    ) as ended
    left join (
        select
            known.node,
            max(known.run_number) as last_run,
            max(case when known.status in ('fail', 'warn', 'error') then known.run_number end) as failed_run
        from {{ cdc_history.operations_relation('node_runs') }} as known
        where known.node <> '' and not known.is_day
        group by known.node
    ) as failed
        on ended.node = failed.node and failed.last_run = failed.failed_run
    group by 4, 5, 6
{% endmacro %}

{% macro _changed_rows(run, result) %}
    {%- set node = result.node -%}
    {%- if node.resource_type == 'test' -%}
        {{ result.failures or 0 }}
    {%- elif result.status == 'success' and node.config.materialized in ['incremental', 'snapshot']
        and ('_cdc_run' in node.columns or node.name.endswith('__log')) -%}
        (select count(*) from {{ node.relation_name }} where _cdc_run = {{ run }})
    {%- else -%}
        0
    {%- endif -%}
{% endmacro %}

{% macro _shorten_results_sql(old) %}
    {%- set results = cdc_history.operations_relation('node_runs') -%}
    begin;
    insert into {{ results }} (
        run_number, ran_on, is_day, resource_type, node, status, node_count, seconds, row_count
    )
    select
        max(run_number),
        ran_on,
        true,
        resource_type,
        node,
        status,
        sum(node_count),
        sum(seconds),
        sum(row_count)
    from {{ results }}
    where {{ old }}
    group by ran_on, resource_type, node, status;
    delete from {{ results }}
    where {{ old }} or ran_on < {{ _days_ago(400) }};
    commit;
{% endmacro %}
