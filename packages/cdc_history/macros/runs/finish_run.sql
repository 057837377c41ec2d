{% macro finish_run(results) %}
    {% if execute and cdc_history.invocation_writes() %}
        {% set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error']) | list %}
        {% set lost = cdc_history._nodes_without_watermark(results) %}
        {% if lost %}
            {% do run_query(cdc_history.end_run_sql('failed')) %}
            {% do exceptions.raise_compiler_error(
                "nothing is written of " ~ lost | join(', ') ~ ", which dbt calls built: the database undid their"
                ~ " transactions when it was to commit them. `dbt retry` takes them for built; run `dbt build`, which catches up.") %}
        {% endif %}
        {% do adapter.dispatch('_drop_steps', 'cdc_history')(results) %}
        {% set statements %}
        {#- first: whatever fails behind it, no dead run refuses the next one -#}
        {{ cdc_history.end_run_sql('failed' if failed else 'succeeded') }};
        {% if not flags.EMPTY %}{{ cdc_history._save_audits(results) }}{% endif %}
        {{ cdc_history._forget_watermarks_sql() }}
        {% endset %}
        {{ cdc_history._together(statements) }}
    {% endif %}
{% endmacro %}

{#-
  dbt sends a COMMIT once more after an InterfaceError or InternalError of the driver. Where the first one had
  failed, the second ends the failed transaction, which is no error: dbt calls the node built.
-#}
{% macro _nodes_without_watermark(results) %}
    {% set built = {} %}
    {% for result in results
        if result.status == 'success' and result.node.resource_type in ['model', 'snapshot', 'seed']
        and 'save_watermark' in result.node.config.post_hook | map(attribute='sql') | join %}
        {% do built.update({result.node.schema ~ '.' ~ result.node.alias: result.node.name}) %}
    {% endfor %}
    {% if built %}
        {% for row in run_query(
            "select consumer from " ~ cdc_history.operations_relation('watermarks')
            ~ " where abs(run_number) = " ~ cdc_history.current_run()).rows %}
            {% do built.pop(row[0], none) %}
        {% endfor %}
    {% endif %}
    {% do return(built.values() | sort) %}
{% endmacro %}

{#-
  Statements: the data tests that passed have looked at everything up to this run. So have those that
  warned, because a source's bad rows may stay for ever; of them the broken chains are kept as well.
-#}
{% macro _save_audits(results) %}
    {% set audited = [] %}
    {% for result in results if result.node.resource_type == 'test' and result.status in ['pass', 'warn'] %}
        {% do audited.append(result.node) %}
    {% endfor %}
    {% for test in audited if test.test_metadata and test.test_metadata.name == 'before_images_chain' and test.relation_name %}
        {#- if the process dies between the two, one more row is looked at -#}
        {% set known = "select dbt_scd_id from " ~ cdc_history.operations_relation('breaks') ~ " where test = '" ~ test.unique_id ~ "'" %}
        insert into {{ cdc_history.operations_relation('breaks') }} (test, dbt_scd_id)
        select '{{ test.unique_id }}', found.dbt_scd_id
        from {{ test.relation_name }} as found
        where found.dbt_scd_id not in ({{ known }});
        delete from {{ cdc_history.operations_relation('breaks') }}
        where
            test = '{{ test.unique_id }}'
            and dbt_scd_id not in (select found.dbt_scd_id from {{ test.relation_name }} as found);
    {% endfor %}
    {% if audited %}
        insert into {{ cdc_history.operations_relation('watermarks') }} (consumer, run_number)
        select audited.test, {{ cdc_history.current_run() }}
        from (
            {%- for test in audited %}
            select '{{ test.unique_id }}' as test{{ ' union all' if not loop.last }}
            {%- endfor %}
        ) as audited;
    {% endif %}
{% endmacro %}

{#- Statement: of what this run built or looked at the older watermarks go. -#}
{% macro _forget_watermarks_sql() %}
    delete from {{ cdc_history.operations_relation('watermarks') }}
    where
        abs(run_number) < {{ cdc_history.current_run() }}
        and consumer in (
            select kept.consumer
            from {{ cdc_history.operations_relation('watermarks') }} as kept
            where abs(kept.run_number) = {{ cdc_history.current_run() }}
        );
{% endmacro %}
