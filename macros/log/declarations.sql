{#-
  The declarations as dbt sees them: models/staging/retail/_retail__sources.yml through the graph.
  While dbt parses, the graph is empty and these return empty lists.
-#}

{% macro declared_sources() %}
    {% set found = {} %}
    {% if execute %}
        {% for node in graph.sources.values() if node.source_name == 'retail' %}
            {% do found.update({node.name: node}) %}
        {% endfor %}
    {% endif %}
    {% do return(found) %}
{% endmacro %}

{% macro declared_table() %}
    {% do return(model['name'].removeprefix('stg_retail__').removesuffix('__log')) %}
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

{% macro source_epochs() %}
    {% set source_meta = (declared_sources().values() | first).source_meta %}
    {% if source_connector() not in source_meta['connectors'] %}
        {% do exceptions.raise_compiler_error(
            "LAKEHOUSE_SOURCE is '" ~ source_connector() ~ "'; declared: " ~ source_meta['connectors'].keys() | join(', ')) %}
    {% endif %}
    {% do return(source_meta['connectors'][source_connector()]['epochs']) %}
{% endmacro %}

{% macro declared_columns(table) %}
    {% set columns = [] %}
    {% if execute %}
        {#- asked once: each look at dbt's graph writes every source out -#}
        {% set declared, connector = declared_sources()[table], source_connector() %}
        {% set of_table = declared.config.meta %}
        {% set naming = of_table.get('column_naming', {}).get(connector)
            or declared.source_meta['connectors'].get(connector, {}).get('column_naming')
            or ('PascalCase' if connector == 'sqlserver' else 'snake_case') %}
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
            {% endif %}
        {% endfor %}
    {% endif %}
    {% do return(columns) %}
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
    {% set rules = 3 %}
    {% do return(local_md5(tojson(
        [
            rules, source_connector(), source_epochs(), declared_columns(table),
            declared_meta(table).get('replica_identity', 'full'),
        ],
        sort_keys=true
    ))) %}
{% endmacro %}
