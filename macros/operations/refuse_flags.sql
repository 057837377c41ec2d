{#-
  on-run-start, before anything is written: refuses the flags of dbt with which a consumer would read
  other rows than its watermark says, and so miss some for good.
-#}
{% macro refuse_flags() %}
    {% if execute and cdc_history.invocation_writes() %}
        {% if invocation_args_dict.get('sample') %}
            {% do exceptions.raise_compiler_error(
                "--sample (or DBT_SAMPLE) reads a part of the rows, but what a table has read is kept as a"
                ~ " run number: the other rows would never be read. Build without it; `lakehouse rebuild"
                ~ " <table> --key <column>=<value>` builds the histories of a few keys aside."
            ) %}
        {% endif %}
        {% set deferred = _deferred_relations() if invocation_args_dict.get('defer') else [] %}
        {% if deferred %}
            {% do exceptions.raise_compiler_error(
                "--defer: " ~ deferred[:3] | join(', ') ~ (', ...' if deferred | length > 3)
                ~ " would be read from another environment, whose run numbers say nothing about what was read"
                ~ " in this one: rows would be missed for good. Build what is upstream here too (`dbt build"
                ~ " --select +<model>`, also in place of `dbt retry`), without --favor-state."
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#-
  The relations of another environment that this invocation would read under --defer: dbt's own rule
  (RuntimeRefResolver.create_relation), asked before the first node is built. `dbt retry` does not tell
  what it selects; there every node counts as building, and none as built.
-#}
{% macro _deferred_relations() %}
    {% set found = [] %}
    {% for node in graph.nodes.values()
        if node.resource_type in ['model', 'snapshot']
        and (not selected_resources or node.unique_id in selected_resources) %}
        {% for name in node.depends_on.nodes if name in graph.nodes and name not in selected_resources %}
            {% set upstream = graph.nodes[name] %}
            {% set other = upstream.defer_relation %}
            {% if other
                and [other.database, other.schema, other.alias] != [upstream.database, upstream.schema, upstream.alias]
                and (
                    invocation_args_dict.get('favor_state')
                    or adapter.get_relation(upstream.database, upstream.schema, upstream.alias) is none
                ) %}
                {% do found.append(other.schema ~ '.' ~ other.alias ~ ' for ' ~ node.name) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% do return(found | sort) %}
{% endmacro %}
