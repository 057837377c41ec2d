{#-
  Operation: everything on Redshift that dbt's models read from and do not make themselves.

      dbt run-operation deploy_streaming --target prod --args '{dry_run: true}'
      dbt run-operation deploy_streaming --target prod

  It prints its plan, then carries it out; with dry_run it prints only. A second run finds nothing to
  do. It never drops a view that holds rows: those of a recreated topic's old view go to the archive
  first. docs/redshift.md explains each object.
-#}
{% macro deploy_streaming(dry_run=false) %}
    {% do require_redshift('deploy_streaming') %}
    {% if execute %}
        {% do require_case_sensitive_identifiers() %}
        {% set state = warehouse_state() %}
        {% set outside = external_steps(state) %}
        {#- a table that is made anew has no partitions until the next build: none may be reading it -#}
        {% set runs = cdc_history.operations_relation('runs').include(database=false) | replace('"', '') %}
        {% set locked = state['outdated'] and runs in state['relations'] and not dry_run %}
        {% if locked %}{% do cdc_history.start_run(writes=true) %}{% endif %}
        {% do carry_out(outside, dry_run) %}
        {% if locked %}{% do run_query(cdc_history.end_run_sql('succeeded')) %}{% endif %}
        {% set streams = streaming_steps(warehouse_state(), landed_incarnations()) %}
        {% do carry_out(streams, dry_run) %}
        {% set access = access_steps(warehouse_state()) %}
        {% do carry_out(access, dry_run) %}
        {% set steps = outside + streams + access %}
        {% do log(
            (steps | length) ~ ' statements ' ~ ('planned, none sent' if dry_run else 'sent')
            if steps else 'nothing to do: the warehouse is as declared', info=true) %}
    {% endif %}
{% endmacro %}

{#- Operation: roles, grants and masks alone, after new marts were built. -#}
{% macro deploy_access(dry_run=false) %}
    {% do require_redshift('deploy_access') %}
    {% if execute %}{% do carry_out(access_steps(warehouse_state()), dry_run) %}{% endif %}
{% endmacro %}

{#- Prints the plan, and carries it out unless this is a dry run, outside a transaction. -#}
{% macro carry_out(steps, dry_run) %}
    {% for step in steps %}
        {% do log('-- ' ~ step['what'] ~ '\n' ~ step['sql'] ~ ';', info=true) %}
    {% endfor %}
    {% if not dry_run %}
        {% for step in steps %}
            {% do run_query(step['sql']) %}
            {% do log('sent ' ~ loop.index ~ ' of ' ~ (steps | length) ~ ': ' ~ step['what'], info=true) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro require_redshift(operation) %}
    {% if target.type != 'redshift' %}
        {% do exceptions.raise_compiler_error(
            operation ~ " is an operation of Redshift; target " ~ target.name ~ " is " ~ target.type
            ~ ". Allowed: --target dev, qa or prod"
        ) %}
    {% endif %}
{% endmacro %}

{#-
  Topics of SQL Server's tables have capitals. A session's own setting would let the views be made, but
  auto refresh runs without it and would look for a topic in small letters.
-#}
{% macro require_case_sensitive_identifiers() %}
    {% set value = run_query('show enable_case_sensitive_identifier').rows[0][0] | lower %}
    {% if value not in ['on', 'true', '1'] %}
        {% do exceptions.raise_compiler_error(
            "enable_case_sensitive_identifier is " ~ value ~ ": set it to true in the workgroup's or"
            ~ " cluster's parameters (see docs/runbooks/deployment.md), then run again"
        ) %}
    {% endif %}
{% endmacro %}

{#- One statement of the plan with its reason; blank lines of the template are taken out. -#}
{% macro plan_step(what, sql) %}
    {% set lines = [] %}
    {% for line in sql.strip().split('\n') if line.strip() %}{% do lines.append(line.rstrip()) %}{% endfor %}
    {% do return({'what': what, 'sql': dedented(lines) | join('\n')}) %}
{% endmacro %}

{#- The lines without the indentation that they share. -#}
{% macro dedented(lines) %}
    {% set margins = [] %}
    {% for line in lines[1:] %}{% do margins.append(line | length - line.lstrip() | length) %}{% endfor %}
    {% set margin = margins | min if margins else 0 %}
    {% set result = [lines[0].strip()] %}
    {% for line in lines[1:] %}{% do result.append(line[margin:]) %}{% endfor %}
    {% do return(result) %}
{% endmacro %}

{#- What is there: schemas, Spectrum tables, streaming views, tables, roles, what they may do, masks. -#}
{% macro warehouse_state() %}
    {% set state = {
        'external_schemas': {}, 'external_tables': [], 'views': {}, 'relations': [], 'roles': [],
        'policies': [], 'attached': [], 'schemas': [], 'privileges': {}, 'readable': [],
        'outdated': outdated_landing_tables(),
    } %}
    {% for row in run_query("select schemaname, esoptions from svv_external_schemas").rows %}
        {% do state['external_schemas'].update({row[0]: row[1]}) %}
    {% endfor %}
    {% for row in run_query(
        "select tablename from svv_external_tables where schemaname = '" ~ landing_schema() ~ "'").rows %}
        {% do state['external_tables'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query(
        "select name, autorefresh from svv_mv_info where schema_name = 'streaming'").rows %}
        {% do state['views'].update({row[0]: row[1]}) %}
    {% endfor %}
    {% for row in run_query(
        "select table_schema || '.' || table_name from information_schema.tables"
        ~ " where table_schema in ('" ~ (['streaming'] + warehouse_schemas()) | join("', '") ~ "')").rows %}
        {% do state['relations'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query("select role_name from svv_roles").rows %}
        {% do state['roles'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query("select nspname from pg_namespace").rows %}
        {% do state['schemas'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query(
        "select namespace_name, identity_name, privilege_type from svv_schema_privileges"
        ~ " where identity_type = 'role'").rows %}
        {% do state['privileges'].setdefault(row[0] ~ ' ' ~ row[1], []).append(row[2] | lower) %}
    {% endfor %}
    {% for row in run_query(
        "select namespace_name || '.' || relation_name || ' ' || identity_name from svv_relation_privileges"
        ~ " where identity_type = 'role' and privilege_type = 'SELECT'").rows %}
        {% do state['readable'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query("select policy_name from svv_masking_policy").rows %}
        {% do state['policies'].append(row[0]) %}
    {% endfor %}
    {% for row in run_query(
        "select policy_name || ' ' || schema_name || '.' || table_name || ' ' || output_columns"
        ~ " from svv_attached_masking_policy where grantee = 'analyst'").rows %}
        {% do state['attached'].append(row[0] | replace('"', '') | replace('[', '') | replace(']', '')) %}
    {% endfor %}
    {% do return(state) %}
{% endmacro %}

{#- dbt's schemas under the names that they have on this target. -#}
{% macro warehouse_schemas() %}
    {% set names = [] %}
    {% for layer in ['staging', 'history', 'marts', 'operations'] %}
        {% do names.append(generate_schema_name(layer, none) | trim) %}
    {% endfor %}
    {% do return(names) %}
{% endmacro %}

{#- The newest incarnation of each table's topic that the ledger names. -#}
{% macro landed_incarnations() %}
    {% set found = {} %}
    {% if 'ledger' in warehouse_state()['external_tables'] %}
        {% set sql %}
            select written."table", max(written.incarnation)
            from {{ landing_schema() }}.ledger as written
            group by written."table"
        {% endset %}
        {% for row in run_query(sql).rows %}{% do found.update({row[0]: row[1] | int}) %}{% endfor %}
    {% endif %}
    {% do return(found) %}
{% endmacro %}

{#- External schemas on Kafka and on the landing zone, and the Spectrum tables. -#}
{% macro external_steps(state) %}
    {% set steps = [] %}
    {% set role = env_var('LAKEHOUSE_REDSHIFT_IAM_ROLE', 'default') %}
    {% set iam_role = role if role == 'default' else "'" ~ role ~ "'" %}
    {% set brokers = env_var('LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS', '127.0.0.1:9092') %}
    {% set auth = env_var('LAKEHOUSE_KAFKA_AUTH', 'iam') %}
    {% if 'kafka' not in state['external_schemas'] %}
        {% set sql %}
            create external schema kafka
            from kafka
            {{ 'iam_role ' ~ iam_role if auth == 'iam' }}
            authentication {{ auth }}
            uri '{{ brokers }}'
        {% endset %}
        {% do steps.append(plan_step('the cluster, read by the streaming views', sql)) %}
    {% elif brokers not in state['external_schemas']['kafka'] %}
        {% do steps.append(plan_step(
            'the brokers moved', "alter external schema kafka uri '" ~ brokers ~ "'")) %}
    {% endif %}
    {% if landing_schema() not in state['external_schemas'] %}
        {% set sql %}
            create external schema {{ landing_schema() }}
            from data catalog
            database '{{ env_var('LAKEHOUSE_GLUE_DATABASE', 'retail_landing') }}'
            iam_role {{ iam_role }}
        {% endset %}
        {% do steps.append(plan_step('the landing zone, read through Spectrum', sql)) %}
    {% endif %}
    {% for table in landing_tables() if table not in state['external_tables'] or table in state['outdated'] %}
        {% if table in state['outdated'] %}
            {% do steps.append(plan_step(
                'the definition of ' ~ table ~ ' alone, which is not as declared; its files stay',
                'drop table ' ~ landing_schema() ~ '.' ~ table)) %}
        {% endif %}
        {% do steps.append(plan_step('landed records of ' ~ table, landing_table_sql(table))) %}
    {% endfor %}
    {% if 'ledger' not in state['external_tables'] %}
        {% do steps.append(plan_step('the ledger: which offsets are landed or lost', ledger_table_sql())) %}
    {% endif %}
    {% do return(steps) %}
{% endmacro %}

{#- The external tables: what is landed of the declared tables, and what Debezium says about itself. -#}
{% macro landing_tables() %}
    {% set names = declared_tables() | list %}
    {% for source in graph.sources.values() if source.source_name == 'debezium' %}
        {% do names.append(source.name) %}
    {% endfor %}
    {% do return(names | sort) %}
{% endmacro %}

{#- Columns are found in Parquet by name; the headers, a nested column, stay out: `select *` would fail. -#}
{% macro landing_columns() %}
    {% do return({
        'kafka_topic': 'varchar(249)',
        'kafka_partition': 'integer',
        'kafka_offset': 'bigint',
        'kafka_timestamp': 'timestamp',
        'kafka_timestamp_type': 'varchar(1)',
        'kafka_key': 'varbyte(16777216)',
        'kafka_value': 'varbyte(16777216)',
    }) %}
{% endmacro %}

{#-
  By default Spectrum gives null for a value that is longer than its column (64,000 bytes, where the
  column names no length), and a null value is a tombstone. So the widest columns, and beyond them
  the query fails.
-#}
{% macro landing_table_sql(table) %}
            create external table {{ landing_schema() }}.{{ table }} (
                {%- for name, type in landing_columns().items() %}
                {{ name }} {{ type }}{{ ',' if not loop.last }}
                {%- endfor %}
            )
            partitioned by (incarnation integer, landing_date date, topic_partition integer)
            stored as parquet
            location '{{ landing_location() }}{{ table }}/'
            table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL')
{% endmacro %}

{#-
  Names of the external tables that landing_table_sql did not make: other columns, a shorter width, or
  another answer to longer values. Types are the catalog's own, so of a type only its width counts.
-#}
{% macro outdated_landing_tables() %}
    {% set digits = modules.re.compile('[0-9]+') %}
    {% set partitions = ['incarnation', 'landing_date', 'topic_partition'] %}
    {% set found = {} %}
    {% for row in run_query(
        "select tablename, columnname, external_type from svv_external_columns where schemaname = '"
        ~ landing_schema() ~ "' order by tablename, columnnum").rows if row[1] not in partitions %}
        {% set width = digits.findall(row[2]) %}
        {% set declared = digits.findall(landing_columns().get(row[1], '')) %}
        {% set other = width and declared and width != declared %}
        {% do found.setdefault(row[0], []).append(row[1] ~ (' ' ~ row[2] if other else '')) %}
    {% endfor %}
    {% set outdated = [] %}
    {% for row in run_query(
        "select tablename, parameters from svv_external_tables where schemaname = '" ~ landing_schema()
        ~ "' order by tablename").rows if row[0] in landing_tables() %}
        {% set parameters = fromjson(row[1] or '{}', {}) %}
        {% if found.get(row[0]) != landing_columns().keys() | list
            or parameters.get('data_cleansing_enabled') != 'true'
            or parameters.get('surplus_bytes_handling') != 'FAIL' %}
            {% do outdated.append(row[0]) %}
        {% endif %}
    {% endfor %}
    {% do return(outdated) %}
{% endmacro %}

{% macro ledger_table_sql() %}
            create external table {{ landing_schema() }}.ledger (
                "table" varchar(128),
                topic varchar(249),
                topic_id varchar(64),
                incarnation integer,
                kafka_partition integer,
                from_offset bigint,
                until_offset bigint,
                "rows" bigint,
                kind varchar(10),
                committed_at varchar(40),
                file varchar(1024)
            )
            row format serde 'org.openx.data.jsonserde.JsonSerDe'
            location '{{ landing_location() }}_ledger/'
{% endmacro %}

{#- A streaming view a table for the newest incarnation of its topic, its archive, the view over all. -#}
{% macro streaming_steps(state, incarnations) %}
    {% set steps = [plan_step(
        'streaming views and their archives', 'create schema if not exists streaming'
    )] if not state['views'] else [] %}
    {% for table in declared_tables() %}
        {% set newest = incarnations.get(table, 1) %}
        {% set older = [] %}
        {% set name = table ~ '_' ~ newest %}
        {% set changed = name not in state['views'] or 'streaming.' ~ table not in state['relations'] %}
        {% for number in range(1, newest) if 'streaming.' ~ table ~ '_' ~ number ~ '_archive' in state['relations'] %}
            {% do older.append(number) %}
            {% set old = table ~ '_' ~ number %}
            {% if old in state['views'] %}
                {% do steps.extend(retire_steps(old, state['views'][old])) %}
            {% endif %}
        {% endfor %}
        {% if name not in state['views'] %}
            {% do steps.append(plan_step(
                'records of ' ~ table ~ ', incarnation ' ~ newest ~ ' of its topic',
                streaming_view_sql(table, newest))) %}
        {% endif %}
        {% if 'streaming.' ~ name ~ '_archive' not in state['relations'] %}
            {% do steps.append(plan_step(
                'where records of ' ~ name ~ ' go when the view is emptied', archive_sql(name))) %}
        {% endif %}
        {% if changed %}
            {% do steps.append(plan_step(
                'all streamed records of ' ~ table, streamed_records_sql(table, older, newest))) %}
        {% endif %}
    {% endfor %}
    {% do return(steps) %}
{% endmacro %}

{#-
  No cast and no filter: a failing cast would stop the refresh, a filter would drop bad records and
  tombstones. Sorted by offset: new records have the highest ones and are what the log reads. Spread
  evenly: nothing joins a stream by a key.
-#}
{% macro streaming_view_sql(table, incarnation) %}
            create materialized view streaming.{{ table }}_{{ incarnation }}
            backup yes
            diststyle even
            sortkey (kafka_offset)
            auto refresh yes
            as
            select
                kafka_partition,
                kafka_offset,
                kafka_timestamp_type,
                kafka_timestamp,
                kafka_key,
                kafka_value,
                refresh_time,
                case when can_json_parse(kafka_value) then json_parse(kafka_value) end as payload
            from kafka."{{ declared_meta(table)['topics'][source_connector()] }}"
{% endmacro %}

{#- Made from the view itself: APPEND wants equal columns, distribution and sort key. -#}
{% macro archive_sql(view) %}
            create table streaming.{{ view }}_archive
            diststyle even
            sortkey (kafka_offset)
            as
            select
                kafka_partition,
                kafka_offset,
                kafka_timestamp_type,
                kafka_timestamp,
                kafka_key,
                kafka_value,
                refresh_time,
                payload
            from streaming.{{ view }}
            where 1 = 0
{% endmacro %}

{#- Late binding, so that a view or archive under it can be replaced. -#}
{% macro streamed_records_sql(table, older, newest) %}
    {% set parts = [] %}
    {% for number in older %}{% do parts.append([number, table ~ '_' ~ number ~ '_archive']) %}{% endfor %}
    {% do parts.append([newest, table ~ '_' ~ newest ~ '_archive']) %}
    {% do parts.append([newest, table ~ '_' ~ newest]) %}
            create or replace view streaming.{{ table }} as
            {%- for number, relation in parts %}
            select
                cast('{{ declared_meta(table)['topics'][source_connector()] }}' as varchar(249)) as kafka_topic,
                cast({{ number }} as integer) as _cdc_incarnation,
                kafka_partition,
                kafka_offset,
                kafka_timestamp,
                kafka_key,
                kafka_value,
                refresh_time,
                payload
            from streaming.{{ relation }}
            {{ 'union all' if not loop.last }}
            {%- endfor %}
            with no schema binding
{% endmacro %}

{#- The view of a topic that was recreated: its rows go to its archive, then the empty view goes. -#}
{% macro retire_steps(view, auto_refresh) %}
    {% do return([
        plan_step('the topic of ' ~ view ~ ' was recreated: no more refreshes',
            'alter materialized view streaming.' ~ view ~ ' auto refresh no'),
        plan_step('its rows are kept',
            'alter table streaming.' ~ view ~ '_archive append from streaming.' ~ view),
        plan_step('the empty view', 'drop materialized view streaming.' ~ view),
    ]) %}
{% endmacro %}
