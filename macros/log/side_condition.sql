{#-
  What a build into side schemas (`--vars '{side: …}'`) leaves out of the logs: nothing, or all but
  chosen keys or a tenant (vars `keys`, `tenant`), or all after a moment (var `as_of`).
-#}

{% macro side_condition(table) -%}
    {%- set conditions = [] -%}
    {%- if var('side', none) and part_condition(table) -%}
        {%- do conditions.append(part_condition(table)) -%}
    {%- endif -%}
    {%- if var('side', none) and var('as_of', none) -%}
        {%- do conditions.append(_as_of_condition(var('as_of') | string)) -%}
    {%- endif -%}
    {{- conditions | join(' and ') or '1 = 1' -}}
{%- endmacro %}

{% macro part_condition(table) %}
    {% set conditions = [] %}
    {% if var('keys', none) %}
        {% do conditions.append('(' ~ key_condition(table, var('keys')) ~ ')') %}
    {% endif %}
    {% if var('tenant', none) %}
        {% do conditions.append('tenant = ' ~ cdc_history.text_literal(var('tenant'))) %}
    {% endif %}
    {% do return(conditions | join(' and ')) %}
{% endmacro %}

{% macro key_condition(table, keys, relation='') %}
    {% set types, folded = {}, [] %}
    {% for column in logged_columns(table) if column['is_key'] %}
        {% do types.update({column['name']: column['data_type']}) %}
        {% if folds(column) %}{% do folded.append(column['name']) %}{% endif %}
    {% endfor %}
    {% set alternatives = [] %}
    {% for key in keys %}
        {% if key.keys() | sort != types.keys() | sort %}
            {% do exceptions.raise_compiler_error(
                "key " ~ key ~ " of table " ~ table ~ ": expected a value for "
                ~ (types.keys() | join(' and ') or "nothing, since it has no key")) %}
        {% endif %}
        {% set parts = [] %}
        {% for name, value in key.items() %}
            {% set column = (relation ~ '.' if relation else '') ~ name %}
            {% set wanted = "cast('" ~ (value | string).replace("'", "''") ~ "' as " ~ types[name] ~ ")" %}
            {% do parts.append(
                case_folded(column) ~ ' = ' ~ case_folded(wanted) if name in folded else column ~ ' = ' ~ wanted) %}
        {% endfor %}
        {% do alternatives.append('(' ~ parts | join(' and ') ~ ')') %}
    {% endfor %}
    {% do return(alternatives | join(' or ')) %}
{% endmacro %}

{#- SQL: the change was committed at or before `as_of`, a commit of the source or a UTC time in ISO format. -#}
{% macro _as_of_condition(as_of) %}
    {% set condition = committed_by(as_of) %}
    {% if condition %}
        {% do return(condition) %}
    {% elif modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?Z?', as_of) %}
        {% do return(
            "_cdc_committed_at <= cast('" ~ as_of.replace('T', ' ').rstrip('Z') ~ "' as timestamp)") %}
    {% endif %}
    {% do exceptions.raise_compiler_error(
        "as_of '" ~ as_of ~ "' is neither a commit of " ~ source_connector() ~ " ("
        ~ ('commit_lsn xxxxxxxx:xxxxxxxx:xxxx' if source_connector() == 'sqlserver'
           else 'LSN at the end of a transaction, decimal or X/Y')
        ~ ") nor a UTC time (2026-03-03T00:00:00)") %}
{% endmacro %}
