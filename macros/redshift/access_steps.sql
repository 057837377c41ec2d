{#-
  Roles, grants and masks. loader looks after streams and landing, transformer is what dbt runs as,
  analyst reads the marts and nothing else. Roles are created, never dropped; only what is missing is
  granted, so a mart that was made anew is found. Personal columns of the marts are masked for analyst, by the declarations' `pii`.
-#}
{% macro access_steps(state) %}
    {% set steps = [] %}
    {% set new_roles = [] %}
    {% for role in ['loader', 'transformer', 'analyst'] if role not in state['roles'] %}
        {% do new_roles.append(role) %}
        {% do steps.append(plan_step('role ' ~ role, 'create role ' ~ role)) %}
    {% endfor %}
    {% for schema in warehouse_schemas() if schema not in state['schemas'] %}
        {% do steps.append(plan_step('dbt builds here', 'create schema if not exists ' ~ schema)) %}
    {% endfor %}
    {% for grant in schema_grants() %}
        {% set missing = grant['privileges'] | reject('in', state['privileges'].get(grant['schema'] ~ ' ' ~ grant['role'], [])) | list %}
        {% if missing %}
            {% do steps.append(plan_step(
                grant['why'],
                'grant ' ~ missing | join(', ') ~ ' on schema ' ~ grant['schema'] ~ ' to role ' ~ grant['role'])) %}
        {% endif %}
    {% endfor %}
    {% for grant in relation_grants() %}
        {% set missing = [] %}
        {% for relation in state['relations'] if relation.startswith(grant['schema'] ~ '.')
            and relation ~ ' ' ~ grant['role'] not in state['readable'] %}
            {% do missing.append(relation) %}
        {% endfor %}
        {% if missing or grant['role'] in new_roles %}
            {% do steps.append(plan_step(
                grant['why'],
                'grant select on all tables in schema ' ~ grant['schema'] ~ ' to role ' ~ grant['role'])) %}
        {% endif %}
    {% endfor %}
    {% if 'analyst' in new_roles %}
        {% do steps.append(plan_step(
            'also what this user builds there later',
            'alter default privileges in schema ' ~ marts_schema() ~ ' grant select on tables to role analyst')) %}
    {% endif %}
    {% for mask in personal_columns() %}
        {% set policy = 'mask_' ~ mask['type'] | replace('(', '_') | replace(')', '') %}
        {% if policy not in state['policies'] %}
            {% do state['policies'].append(policy) %}
            {% do steps.append(plan_step('what analyst sees of a ' ~ mask['type'], mask_sql(policy, mask['type']))) %}
        {% endif %}
        {% if mask['relation'] in state['relations']
            and policy ~ ' ' ~ mask['relation'] ~ ' ' ~ mask['column'] not in state['attached'] %}
            {% do steps.append(plan_step(
                mask['relation'] ~ '.' ~ mask['column'] ~ ' is personal',
                'attach masking policy ' ~ policy ~ ' on ' ~ mask['relation'] ~ ' (' ~ mask['column']
                ~ ') to role analyst')) %}
        {% endif %}
    {% endfor %}
    {% do return(steps) %}
{% endmacro %}

{#- What each role may do in which schema, with the reason. -#}
{% macro schema_grants() %}
    {% set found = [] %}
    {% for schema in warehouse_schemas() %}
        {% do found.append({
            'schema': schema, 'role': 'transformer', 'privileges': ['create', 'usage'], 'why': 'dbt builds here'}) %}
    {% endfor %}
    {% for schema in ['kafka', landing_schema(), 'streaming'] %}
        {% do found.append({
            'schema': schema, 'role': 'loader', 'privileges': ['usage'], 'why': 'loader looks after streams and landing'}) %}
        {% do found.append({
            'schema': schema, 'role': 'transformer', 'privileges': ['usage'], 'why': 'dbt reads them'}) %}
    {% endfor %}
    {% do found.append({
        'schema': marts_schema(), 'role': 'analyst', 'privileges': ['usage'], 'why': 'people read the marts'}) %}
    {% do return(found) %}
{% endmacro %}

{#- Whose role reads all relations of which schema, with the reason. -#}
{% macro relation_grants() %}
    {% do return([
        {'schema': 'streaming', 'role': 'loader', 'why': 'loader looks after streams and landing'},
        {'schema': 'streaming', 'role': 'transformer', 'why': 'dbt reads them'},
        {'schema': marts_schema(), 'role': 'analyst', 'why': 'people read the marts'},
    ]) %}
{% endmacro %}

{#- The schema of the marts on this target. -#}
{% macro marts_schema() %}
    {% do return(generate_schema_name('marts', none) | trim) %}
{% endmacro %}

{#-
  Columns of the marts that hold personal data, each a dict: relation, column, type. A mart's column is
  personal when it has the name of a declared column with `pii`, whatever table it comes from (to mask
  too much is a question, to mask too little a breach), or has `pii` in its own meta, as a column with
  another name must.
-#}
{% macro personal_columns() %}
    {% set declared = {} %}
    {% for table in declared_tables() %}
        {% for column in declared_sources()[table].columns.values() %}
            {% if column.config.meta.get('pii') in ['clear', 'hash'] %}
                {% do declared.update({column.name: column.data_type}) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% set found = [] %}
    {% set marts = marts_schema() %}
    {% for node in graph.nodes.values() | sort(attribute='name')
        if node.resource_type == 'model' and node.schema == marts %}
        {% for column in node.columns.values() if column.name in declared or column.config.meta.get('pii') %}
            {% do found.append({
                'relation': marts ~ '.' ~ (node.alias or node.name),
                'column': column.name,
                'type': (column.data_type or declared.get(column.name)) | lower,
            }) %}
        {% endfor %}
    {% endfor %}
    {% do return(found) %}
{% endmacro %}

{#- A text becomes three stars, a date nothing. -#}
{% macro mask_sql(policy, data_type) %}
            create masking policy {{ policy }}
            with (value {{ data_type }})
            using (cast({{ "'***'" if data_type.startswith('varchar') else 'null' }} as {{ data_type }}))
{% endmacro %}
