{#-
  Operation: empties the streaming views into their archives, and the archives of what is safe.

      dbt run-operation archive_streams --target prod [--args '{dry_run: true}']

  ALTER TABLE APPEND moves all rows of a view, commits by itself and cannot run in a transaction, so it
  needs no check of its own: the log reads views and archives together. What is then deleted from an
  archive is in the log and lies below the end of the ledger, so landing holds it too.
-#}
{% macro archive_streams(dry_run=false) %}
    {% do require_redshift('archive_streams') %}
    {% if execute %}
        {% set state = warehouse_state() %}
        {% for view in state['views'] | sort if 'streaming.' ~ view ~ '_archive' in state['relations'] %}
            {% do carry_out([
                plan_step('no refresh meanwhile', 'alter materialized view streaming.' ~ view ~ ' auto refresh no'),
                plan_step('all rows of ' ~ view, 'alter table streaming.' ~ view ~ '_archive append from streaming.' ~ view),
                plan_step('refreshes go on', 'alter materialized view streaming.' ~ view ~ ' auto refresh yes'),
            ], dry_run) %}
        {% endfor %}
        {% for table in declared_tables() %}
            {% set log = generate_schema_name('staging', none) | trim ~ '.' ~ table ~ '__log' %}
            {% if log in state['relations'] %}
                {% for number in range(1, 100) if 'streaming.' ~ table ~ '_' ~ number ~ '_archive' in state['relations'] %}
                    {% do carry_out([plan_step(
                        'records that the log and landing hold', prune_sql(table, number, log))], dry_run) %}
                {% endfor %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro prune_sql(table, incarnation, log) %}
            delete from streaming.{{ table }}_{{ incarnation }}_archive
            using (
                select
                    logged.kafka_partition,
                    least(max(logged.kafka_offset) + 1, max(ends.until_offset)) as safe_until
                from {{ log }} as logged
                inner join (
                    select ledger.kafka_partition, max(ledger.until_offset) as until_offset
                    from {{ cdc_history.operations_relation('ledger') }} as ledger
                    where ledger.table_name = '{{ table }}' and ledger.incarnation = {{ incarnation }}
                    group by ledger.kafka_partition
                ) as ends
                    on logged.kafka_partition = ends.kafka_partition
                where logged._cdc_incarnation = {{ incarnation }}
                group by logged.kafka_partition
            ) as safe
            where
                streaming.{{ table }}_{{ incarnation }}_archive.kafka_partition = safe.kafka_partition
                and streaming.{{ table }}_{{ incarnation }}_archive.kafka_offset < safe.safe_until
{% endmacro %}

{#- Operation: refreshes the streaming views now, all or of some tables; auto refresh goes on as it is. -#}
{% macro refresh_streams(tables=none, dry_run=false) %}
    {% do require_redshift('refresh_streams') %}
    {% if execute %}
        {% set views = warehouse_state()['views'] %}
        {% for view in views | sort if not tables or view.rpartition('_')[0] in tables %}
            {% do carry_out([plan_step('refresh', 'refresh materialized view streaming.' ~ view)], dry_run) %}
        {% endfor %}
    {% endif %}
{% endmacro %}
