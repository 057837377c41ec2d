{#-
  Roles, grants and masks. loader looks after streams and landing, transformer is what dbt runs as,
  analyst reads the marts and nothing else. Roles are created, never dropped; a grant is repeated
  harmlessly. Personal columns of the marts are masked for analyst, by the declarations' `pii`.
-#}
{% macro access_steps(state) %}
    {% set steps = [] %}
    {% for role in ['loader', 'transformer', 'analyst'] if role not in state['roles'] %}
        {% do steps.append(plan_step('role ' ~ role, 'create role ' ~ role)) %}
    {% endfor %}
    {% if steps %}
        {% for grant in grants() %}{% do steps.append(plan_step(grant[0], grant[1])) %}{% endfor %}
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

{#- Reason and statement of each grant. -#}
{% macro grants() %}
    {% set layers = {} %}
    {% for layer in ['staging', 'history', 'marts', 'operations'] %}
        {% do layers.update({layer: generate_schema_name(layer, none) | trim}) %}
    {% endfor %}
    {% set found = [] %}
    {% for layer, schema in layers.items() %}
        {% do found.append(['dbt builds here', 'create schema if not exists ' ~ schema]) %}
        {% do found.append(['dbt builds here', 'grant create, usage on schema ' ~ schema ~ ' to role transformer']) %}
    {% endfor %}
    {% for schema in ['kafka', landing_schema(), 'streaming'] %}
        {% do found.append(['streams and landing', 'grant usage on schema ' ~ schema ~ ' to role loader']) %}
        {% do found.append(['dbt reads them', 'grant usage on schema ' ~ schema ~ ' to role transformer']) %}
    {% endfor %}
    {% do found.append(['dbt reads them', 'grant select on all tables in schema streaming to role transformer']) %}
    {% do found.append(['streams and landing', 'grant select on all tables in schema streaming to role loader']) %}
    {% do found.append(['people read the marts', 'grant usage on schema ' ~ layers['marts'] ~ ' to role analyst']) %}
    {% do found.append(['people read the marts',
        'grant select on all tables in schema ' ~ layers['marts'] ~ ' to role analyst']) %}
    {% do found.append(['also those that dbt makes later',
        'alter default privileges in schema ' ~ layers['marts'] ~ ' grant select on tables to role analyst']) %}
    {% do return(found) %}
{% endmacro %}

{#-
  Columns of the marts that hold personal data, each a dict: relation, column, type. A mart's column is
  personal when it has the name of a declared column with `pii`, whatever table it comes from (to mask
  too much is a question, to mask too little a breach), or has `pii` in its own meta.
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
    {% set marts = generate_schema_name('marts', none) | trim %}
    {% for node in graph.nodes.values() | sort(attribute='name')
        if node.resource_type == 'model' and node.schema == marts %}
        {% for column in node.columns.values() if column.name in declared or column.meta.get('pii') %}
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
