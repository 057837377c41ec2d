{#-
  Compares each declaration with the one that the table's log was built with. A change that leaves
  every accepted row valid (a new nullable column, a column that becomes nullable, a wider type)
  is taken over; any other stops the run, because old rows and new rows would mean different things.
-#}
{% macro check_declarations() %}
    {% if execute and cdc_history.invocation_writes() %}
        {% do run_query(cdc_history._together(_create_declarations_sql())) %}
        {% if not flags.FULL_REFRESH %}{% do _check_declarations() %}{% endif %}
    {% endif %}
{% endmacro %}

{#- Of a table the newest declaration counts: a log only adds its own, and the next run's start removes those before. -#}
{% macro _create_declarations_sql() %}
    create table if not exists {{ cdc_history.operations_relation('declarations') }} (
        table_name varchar(128),
        declaration varchar(32),
        columns varchar(65535),
        accepted_at timestamp
    );
    delete from {{ cdc_history.operations_relation('declarations') }}
    where (table_name, accepted_at) not in (
        select newest.table_name, max(newest.accepted_at)
        from {{ cdc_history.operations_relation('declarations') }} as newest
        group by newest.table_name
    );
{% endmacro %}

{% macro _check_declarations() %}
    {% set known = {} %}
    {% set accepted_sql %}
        select table_name, declaration, columns
        from {{ cdc_history.operations_relation('declarations') }}
    {% endset %}
    {% for row in run_query(accepted_sql).rows %}
        {% do known.update({row[0]: {'declaration': row[1], 'columns': fromjson(row[2])}}) %}
    {% endfor %}
    {% set wider = {} %}
    {% for table in declared_tables() if table in known %}
        {% set before, after = known[table]['columns'], logged_columns(table) %}
        {% set problem = _incompatible_change(before, after) or _read_without_its_name(table, before, after) %}
        {% if problem %}
            {% do cdc_history.refuse_run(
                "table " ~ table ~ ": " ~ problem ~ ", so rows that are already in staging."
                ~ table ~ "__log and the tables behind it would mean something else. `lakehouse rebuild "
                ~ table ~ "` reads them again from landing and shows what differs; with --swap it puts"
                ~ " the result in place."
            ) %}
        {% endif %}
        {% set types = {} %}
        {% for old in before %}{% do types.update({old['name']: old['type']}) %}{% endfor %}
        {% for column in after if is_widened(types.get(column['name'], {}), column['type']) %}
            {% do wider.update({table: after}) %}
        {% endfor %}
    {% endfor %}
    {% for table, columns in wider.items() %}{% do widen(table, columns) %}{% endfor %}
{% endmacro %}

{#-
  Post-hook of a log: from now on its rows are of this declaration. On Redshift not without them (see
  save_watermark.sql): on a new connection the temporary table of the log's last step is not there.
-#}
{% macro save_declaration(table) %}
    {% if execute and not flags.EMPTY %}
        {% if target.type == 'redshift' %}drop table {{ step_relation(table, 'judged') }};{% endif %}
        {{ save_declaration_sql(table) }}
    {% endif %}
{% endmacro %}

{% macro save_declaration_sql(table) %}
        insert into {{ cdc_history.operations_relation('declarations') }}
            (table_name, declaration, columns, accepted_at)
        values (
            '{{ table }}',
            '{{ declaration_hash(table) }}',
            {{ cdc_history.text_literal(tojson(logged_columns(table))) }},
            {{ cdc_history.utc_now() }}
        )
{% endmacro %}

{% macro _reading(column) %}
    {% set type = column['type'] %}
    {% do return(column['data_type'] ~ (' from_float' if type.get('from_float') else '')
        ~ (' in ' ~ type['time_zone'] if type.get('time_zone') else '')) %}
{% endmacro %}

{% macro _is_another_number(old, new) %}
    {% do return(not is_widened(old, new)
        and (new['name'], new['precision'], new['scale']) != (old['name'], old['precision'], old['scale'])) %}
{% endmacro %}

{#- The reason why `after` cannot follow `before` without a rebuild, or none. -#}
{% macro _incompatible_change(before, after) %}
    {% set new = {} %}
    {% for column in after %}{% do new.update({column['name']: column}) %}{% endfor %}
    {% for old in before %}
        {% set column = new.pop(old['name'], none) %}
        {% if column is none %}
            {% do return("column " ~ old['name'] ~ " is no longer declared") %}
        {% elif _is_another_number(old['type'], column['type'])
            or column['type'].get('from_float') != old['type'].get('from_float')
            or column['type'].get('time_zone') != old['type'].get('time_zone')
            or (column['type']['length'] or 0) < (old['type']['length'] or 0) %}
            {% do return("the type of column " ~ old['name'] ~ " changed from " ~ _reading(old)
                ~ " to " ~ _reading(column)) %}
        {% elif old['nullable'] and not column['nullable'] %}
            {% do return("column " ~ old['name'] ~ " is no longer nullable") %}
        {% elif column['is_key'] != old['is_key'] %}
            {% do return("the key of column " ~ old['name'] ~ " changed") %}
        {% elif column.get('is_hashed') != old.get('is_hashed') %}
            {% do return("the connector now writes the key column " ~ old['name'] ~ ("" if column.get('is_hashed') else " not")
                ~ " hashed, and each row is two keys (docs/declarations.md, A new column with personal data)") %}
        {% elif folds(column) != folds(old) %}
            {% do return("the collation of key column " ~ old['name'] ~ " changed") %}
        {% elif column['source_names'] | select('in', _source_names(old)) | list != _source_names(old) %}
            {% do return("a source name of column " ~ old['name'] ~ " changed; a former one stays in the list") %}
        {% elif column['is_tracked'] != old['is_tracked'] %}
            {% do return("column " ~ old['name'] ~ " is " ~ ("now" if column['is_tracked'] else "no longer")
                ~ " tracked") %}
        {% endif %}
    {% endfor %}
    {% for column in new.values() if not column['nullable'] %}
        {% do return("the new column " ~ column['name'] ~ " is not nullable") %}
    {% endfor %}
    {#- the tenant, which has no name in the source, makes no key -#}
    {% if not after | selectattr('is_key') | selectattr('source_names') | list %}
        {% do return(_told_apart_otherwise(before, after)) %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}

{#- The reason why changes of a table without a key, which their values tell apart, would be others, or none. -#}
{% macro _told_apart_otherwise(before, after) %}
    {% set read = {} %}
    {% for column in before %}
        {% do read.update({column['name']: (_source_names(column), column['type'].get('on_invalid'))}) %}
    {% endfor %}
    {% for column in after if read.get(column['name']) != (column['source_names'], column['type'].get('on_invalid')) %}
        {% do return("the table has no key, so values tell its changes apart, and those of column " ~ column['name']
            ~ " are read otherwise now") %}
    {% endfor %}
    {% do return(none) %}
{% endmacro %}

{#- The source's names of a column as a log was built with it; once there was but one. -#}
{% macro _source_names(column) %}
    {% do return(column.get('source_names', [column['source_name']])) %}
{% endmacro %}

{#- The reason why a source name cannot be added without a rebuild: the log has rows that lack its values. -#}
{% macro _read_without_its_name(table, before, after) %}
    {% set log = graph.nodes['model.' ~ project_name ~ '.' ~ table ~ '__log'] %}
    {% set names = {} %}
    {% for column in before %}{% do names.update({column['name']: _source_names(column)}) %}{% endfor %}
    {% for column in after if column['name'] in names %}
        {% for name in column['source_names']
            if name not in names[column['name']] and adapter.get_relation(log.database, log.schema, log.alias) %}
            {% set unread %}
                select 1
                from {{ log.relation_name }}
                where _cdc_status = 'accepted' and {{ is_listed(name, "',' || _cdc_unknown_columns || ','") }}
                limit 1
            {% endset %}
            {% if run_query(unread).rows %}
                {% do return("column " ~ column['name'] ~ " has come as " ~ name ~ ", which was not declared") %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% do return(none) %}
{% endmacro %}
