{#-
  on-run-start: what the run may read of the landing zone, and the ledger as operations.ledger: a row
  for each range of offsets that is landed, or lost and accepted as such.
-#}
{% macro prepare_landing() %}
    {% if execute and invocation_writes() %}
        {{ adapter.dispatch('prepare_landing')() }}
    {% endif %}
{% endmacro %}

{% macro default__prepare_landing() %}
{% endmacro %}

{#- A view on the ledger's files themselves: whatever is missing of them is missing here. -#}
{% macro duckdb__prepare_landing() %}
    {% set files = env_var('LAKEHOUSE_LANDING', 'data/landing').rstrip('/') ~ '/_ledger/*.jsonl' %}
    {% set written = run_query("select count(*) from glob('" ~ files ~ "')").rows[0][0] > 0 %}
    {% do run_query(ledger_view_sql(files if written else none)) %}
{% endmacro %}

{#- The view's definition; without `files` it has no rows, as before the first landing. -#}
{% macro ledger_view_sql(files) %}
    {% set columns = {
        'ledger_file': ('filename', 'varchar'),
        'table_name': ('"table"', 'varchar'),
        'topic': ('topic', 'varchar'),
        'topic_id': ('topic_id', 'varchar'),
        'incarnation': ('incarnation', 'integer'),
        'kafka_partition': ('kafka_partition', 'bigint'),
        'from_offset': ('from_offset', 'bigint'),
        'until_offset': ('until_offset', 'bigint'),
        'row_count': ('"rows"', 'bigint'),
        'kind': ('kind', 'varchar'),
        'committed_at': ('committed_at', 'varchar'),
        'file': ('file', 'varchar'),
    } %}
    create or replace view {{ operations_relation('ledger') }} as
    select
        {%- for name, (written, type) in columns.items() %}
        cast({{ written if files else 'null' }} as {{ type }}) as {{ name }},
        {%- endfor %}
    {%- if files %}
    from read_json(
        '{{ files }}',
        format = 'newline_delimited',
        filename = true,
        columns = {
            {%- for name, (written, type) in columns.items() if name != 'ledger_file' %}
            {{ written }}: '{{ type }}',
            {%- endfor %}
        }
    )
    {%- else %}
    where false
    {%- endif %}
{% endmacro %}
