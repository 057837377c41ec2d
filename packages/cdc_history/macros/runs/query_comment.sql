{#- dbt's own comment, and the invocation: by it a run's statements are known in the warehouse (start_run). -#}
{% macro query_comment(connection_name, node) %}
    {% set said = {
        'app': 'dbt', 'dbt_version': dbt_version, 'profile_name': target.profile_name, 'target_name': target.target_name,
        'invocation_id': invocation_id
    } %}
    {% do said.update({'node_id': node.unique_id} if node is not none else {'connection_name': connection_name}) %}
    {% do return(tojson(said)) %}
{% endmacro %}
