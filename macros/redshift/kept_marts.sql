{#-
  A mart that analysts read behind masks keeps both in a build: dbt's user cannot attach a mask, and what is made
  anew has none. So the full refresh of a table with personal columns replaces its rows, and a view with such
  columns is replaced in place, which preserves its grants (r_CREATE_VIEW). One whose columns changed is made
  anew and read again after `lakehouse warehouse access`. Its new distribution or sort key takes an ALTER TABLE.
-#}
{% materialization incremental, adapter='redshift' %}
    {% set existing = load_cached_relation(this) %}
    {% if not (is_personal(model) and should_full_refresh() and existing and existing.is_table)
        or _has_other_columns(existing, sql) %}
        {{ return(dbt.materialization_incremental_default()) }}
    {% endif %}
    {% do store_result('kept', response=none) %}
    {#- sent again on another connection both would be committed, so they fail there: begin_transaction.sql -#}
    {{ return(_written_in_place(existing, "
        delete from " ~ existing ~ " where exists (select 1 from " ~ this.identifier ~ "__transaction);
        insert into " ~ existing ~ " (" ~ model.columns.keys() | join(', ') ~ ")
        " ~ get_assert_columns_equivalent(sql) ~ get_select_subquery(sql))) }}
{% endmaterialization %}

{% materialization view, adapter='redshift' %}
    {#- kept for the hooks: to ask for columns begins the transaction -#}
    {% do cdc_history.current_run() %}
    {% set existing = load_cached_relation(this) %}
    {% if not (is_personal(model) and existing and existing.is_view)
        or adapter.get_columns_in_relation(existing) | map(attribute='name') | list != model.columns.keys() | list %}
        {{ return(dbt.materialization_view_redshift()) }}
    {% endif %}
    {{ return(_written_in_place(existing, get_create_view_as_sql(existing, sql) | replace('create view', 'create or replace view', 1))) }}
{% endmaterialization %}

{% macro _written_in_place(relation, statements) %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') %}{{ statements }}{% endcall %}
    {% do persist_docs(relation, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {% do return({'relations': [relation]}) %}
{% endmacro %}

{#- Whether the model's query gives other columns, by name or type, than the table has. -#}
{% macro _has_other_columns(existing, sql) %}
    {% set wanted = make_temp_relation(existing, '__wanted') %}
    {% do run_query(get_create_table_as_sql(True, wanted, get_empty_subquery_sql(sql))) %}
    {% set changes = check_for_schema_changes(wanted, existing) %}
    {% do adapter.commit() %}
    {% do run_query("drop table " ~ wanted) %}
    {% do return(changes['schema_changed']) %}
{% endmacro %}

{#- Whether a column of the node, of dbt's graph or `model`, has `pii` in its meta. -#}
{% macro is_personal(node) %}
    {% do return(node.columns.values() | map(attribute='config.meta.pii', default=none) | select | list | length > 0) %}
{% endmacro %}

{#-
  Post-hook of the marts, in the transaction that makes one: analysts read it from its first rows on. A table with
  personal columns has no masks then, which nobody shall read through a view that was granted before.
-#}
{% macro open_to_analysts() %}
    {% if execute and target.type == 'redshift' and not is_incremental() and load_result('kept') is none %}
        {% if not is_personal(model) %}
            grant select on {{ this }} to role analyst
        {% elif config.get('materialized') != 'view' %}
            {% for view in _personal_views() %}revoke select on {{ view }} from role analyst;{% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- The views with personal columns beside the model, of those that are there. -#}
{% macro _personal_views() %}
    {% set found = [] %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.schema == model.schema
        and node.config.materialized == 'view' and is_personal(node) %}
        {% do found.append(adapter.get_relation(node.database, node.schema, node.alias)) %}
    {% endfor %}
    {% do return(found | select | list) %}
{% endmacro %}
