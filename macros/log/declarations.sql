{#-
  The declarations as dbt sees them: the source of dbt_project.yml's `source` through the graph.
  While dbt parses, the graph is empty and these return empty lists.
-#}

{% macro declared_sources() %}
    {% set found = {} %}
    {% if execute %}
        {% for node in graph.sources.values() if node.source_name == var('source') %}
            {% do found.update({node.name: node}) %}
        {% endfor %}
    {% endif %}
    {% do return(found) %}
{% endmacro %}

{% macro declared_table() %}
    {% do return(model['name'].removeprefix('stg_' ~ var('source') ~ '__').removesuffix('__log')) %}
{% endmacro %}

{% macro declared_tables() %}
    {% do return(declared_sources().keys() | sort) %}
{% endmacro %}

{% macro declared_meta(table) %}
    {% do return(declared_sources()[table].config.meta) %}
{% endmacro %}

{% macro source_connector() %}
    {% set allowed = ['sqlserver', 'postgresql'] %}
    {% set name = env_var('LAKEHOUSE_SOURCE', 'postgresql' if target.name == 'local' else 'sqlserver') %}
    {% if name not in allowed %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_SOURCE is '" ~ name ~ "'; allowed values: " ~ allowed | join(', ')) %}
    {% endif %}
    {% do return(name) %}
{% endmacro %}

{#-
  Whose records the table's topics have: `epochs` of each prefix of the source; or, where it has tenants, of
  `topics`, each with its tenant, and the prefix and epoch of what comes there. Never does a record say itself
  whose it is.
-#}
{% macro record_origins(table) %}
    {% set declared, connector = declared_sources()[table], source_connector() %}
    {% set common, tenants = declared.source_meta['connectors'], declared.source_meta.get('tenants', {}) %}
    {% if connector not in common and connector not in (tenants.values() | first or {}) %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_SOURCE is '" ~ connector ~ "'; declared: " ~ common.keys() | join(', ')) %}
    {% endif %}
    {% if not tenants %}
        {% do return({'epochs': common[connector]['epochs'], 'topics': []}) %}
    {% endif %}
    {% set topics = [] %}
    {% for tenant, own in tenants.items() %}
        {% set of_tenant = dict(common.get(connector, {}), **own.get(connector, {})) %}
        {% set databases = of_tenant.get('database', '') %}
        {% for prefix, epoch in of_tenant['epochs'].items() %}
            {% for named in ([databases] if databases is string else databases) %}
                {#- as Debezium writes it: `topic_part` of ingestion/declarations.py -#}
                {% set in_utf_16 = modules.re.sub('[^\\0-\\uffff]', '__', named) %}
                {% set database = modules.re.sub('[^A-Za-z0-9._-]', '_', in_utf_16) %}
                {% set topic = declared.config.meta['topics'][connector] %}
                {% do topics.append({
                    'topic': topic | replace('{prefix}', prefix) | replace('{database}', database),
                    'tenant': tenant, 'prefix': prefix, 'epoch': epoch,
                }) %}
            {% endfor %}
        {% endfor %}
    {% endfor %}
    {% do return({'epochs': {}, 'topics': topics}) %}
{% endmacro %}

{#- The columns of the table's rows in the warehouse: the declared ones, behind the tenant where there are any. -#}
{% macro logged_columns(table) %}
    {% do return(declared_columns(table, with_tenant=true)) %}
{% endmacro %}

{#- The key of the table's rows there. -#}
{% macro row_key(table) %}
    {% set declared = declared_sources()[table] %}
    {% do return((['tenant'] if declared.source_meta.get('tenants') else []) + declared.config.meta['primary_key']) %}
{% endmacro %}

{% macro declared_columns(table, with_tenant=false) %}
    {% set columns = [] %}
    {% if execute %}
        {#- asked once: each look at dbt's graph writes every source out -#}
        {% set declared, connector = declared_sources()[table], source_connector() %}
        {% set of_table = declared.config.meta %}
        {% set naming = of_table.get('column_naming', {}).get(connector)
            or declared.source_meta['connectors'].get(connector, {}).get('column_naming')
            or ('PascalCase' if connector == 'sqlserver' else 'snake_case') %}
        {% if with_tenant and declared.source_meta.get('tenants') %}
            {% do columns.append({
                'name': 'tenant',
                'data_type': 'varchar(63)',
                'type': _parse_data_type('varchar(63)'),
                'nullable': false,
                'is_key': true,
                'is_tracked': false,
                'collation': 'binary',
                'large': none,
                'source_names': [],
            }) %}
        {% endif %}
        {% for column in declared.columns.values() %}
            {% set meta = column.config.meta %}
            {% if meta.get('pii') != 'exclude' %}
                {% set is_key = column.name in of_table['primary_key'] %}
                {% do columns.append({
                    'name': column.name,
                    'data_type': column.data_type,
                    'type': _declared_type(column, is_key, connector),
                    'nullable': meta.get('nullable', false),
                    'is_key': is_key,
                    'is_tracked': column.name in of_table.get('tracked_columns', []),
                    'collation': meta.get('collation', 'binary'),
                    'large': meta.get('large'),
                    'source_names': _source_column_names(column.name, meta.get('source_columns', {}).get(connector), naming),
                }) %}
                {% if is_key and meta.get('pii') == 'hash' %}{% do columns[-1].update({'is_hashed': true}) %}{% endif %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% do return(columns) %}
{% endmacro %}

{#- Whether the column is part of a key of which upper and lower case are one: `_folded_<name>` is that. -#}
{% macro folds(column) %}
    {% do return(column['is_key'] and column['collation'] == 'case_insensitive') %}
{% endmacro %}

{#- What the source calls the column, and called it, newest first. -#}
{% macro _source_column_names(name, declared, naming) %}
    {% if declared %}
        {% do return([declared] if declared is string else declared) %}
    {% endif %}
    {% do return([name.split('_') | map('capitalize') | join('') if naming == 'PascalCase' else name]) %}
{% endmacro %}

{% macro _parse_data_type(data_type) %}
    {% set type = {
        'name': data_type.split('(')[0], 'length': none, 'precision': none, 'scale': none
    } %}
    {% set arguments = data_type.split('(')[1].rstrip(')').split(',') if '(' in data_type else [] %}
    {% if type['name'] == 'varchar' %}
        {% do type.update({'length': arguments[0] | int}) %}
    {% elif type['name'] == 'decimal' %}
        {% do type.update({'precision': arguments[0] | int, 'scale': arguments[1] | int}) %}
    {% endif %}
    {% do return(type) %}
{% endmacro %}

{#- The type, and what else decides how a text is read as a value of it. -#}
{% macro _declared_type(column, is_key, connector) %}
    {% set type = _parse_data_type(column.data_type) %}
    {% set meta = column.config.meta %}
    {#- `on_invalid: null` is YAML's null -#}
    {% set on_invalid = (meta['on_invalid'] or 'null') if 'on_invalid' in meta else none %}
    {% set reading = {
        'is_key': is_key,
        'from_float': meta.get('from_float'),
        'time_zone': meta.get('time_zone'),
        'on_invalid': on_invalid,
        'is_cut': meta.get('too_long') == 'truncate',
        'has_answer': connector == 'postgresql' and not is_key and on_invalid is none
            and (type['name'] in ['date', 'timestamp'] or (type['name'] == 'decimal' and meta.get('nullable', false))),
    } %}
    {#- What is not set is left out: operations.declarations has 65,535 bytes for a table. -#}
    {% for name, value in reading.items() if value %}{% do type.update({name: value}) %}{% endfor %}
    {% do return(type) %}
{% endmacro %}

{#-
  Hash of all that decides how a record of the table is read: its declaration, the connector and the
  rules in macros/log. A rejected record is tried again when this differs from the one it failed.
  Raise `rules` whenever a change of these macros accepts or rejects other records than before.
-#}
{% macro declaration_hash(table) %}
    {% set rules, origins = 4, record_origins(table) %}
    {#- another tenant changes nothing for the records of those that there are -#}
    {% set later = origins['topics'] | selectattr('epoch', 'gt', 1) | list %}
    {% do return(local_md5(tojson(
        [
            rules, source_connector(), origins['epochs'] or later, declared_columns(table),
            declared_meta(table).get('replica_identity', 'full'),
        ],
        sort_keys=true
    ))) %}
{% endmacro %}
