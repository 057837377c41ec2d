{#-
  What a value of each declared type looks like as text. No engine's cast is trusted to refuse: a
  value that matches is cast, any other rejects its record (docs/semantics.md, "Acceptance").
-#}

{#- Regular expression (of the part common to RE2, POSIX and Java) for the text of a type. -#}
{% macro _lexical_form(type) %}
    {% set year = '(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})' %}
    {% set leap = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)' %}
    {% set month_and_day = '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)'
        ~ '|02-(0[1-9]|1[0-9]|2[0-8]))' %}
    {% set date = '(' ~ year ~ '-' ~ month_and_day ~ '|' ~ leap ~ '-02-29)' %}
    {% set time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?' %}
    {% set whole = (type['precision'] or 0) - (type['scale'] or 0) %}
    {% set forms = {
        'smallint': '-?(0|[1-9][0-9]{0,4})',
        'integer': '-?(0|[1-9][0-9]{0,9})',
        'bigint': '-?(0|[1-9][0-9]{0,18})',
        'decimal': '-?' ~ ('(0|[1-9][0-9]{0,' ~ (whole - 1) ~ '})' if whole > 0 else '0')
            ~ ('([.][0-9]{1,' ~ type['scale'] ~ '})?' if type['scale'] else ''),
        'boolean': '(true|false)',
        'date': date ~ 'Z?',
        'timestamp': date ~ 'T' ~ time ~ 'Z?',
    } %}
    {% do return(forms[type['name']]) %}
{% endmacro %}

{#-
  Boolean SQL: the text is of the type's form; for integers also within its range, which is decided on
  the digits: texts of equal length order as their numbers do, and no cast has to be tried.
-#}
{% macro _has_form(text, type) -%}
    {%- set largest = {'smallint': '32767', 'integer': '2147483647', 'bigint': '9223372036854775807'}
        .get(type['name']) -%}
    {%- if largest -%}
        (
            {{ matches(text, _lexical_form(type)) }}
            and (
                length({{ text }}) < {{ largest | length }}
                or length(replace({{ text }}, '-', '')) < {{ largest | length }}
                or replace({{ text }}, '-', '') <= '{{ largest }}'
                or {{ text }} = '-{{ largest[:-1] }}8'
            )
        )
    {%- else -%}
        {{ matches(text, _lexical_form(type)) }}
    {%- endif -%}
{%- endmacro %}

{% macro typed_value(text, type) -%}
    {%- if type['name'] == 'varchar' -%}
        cast({{ text }} as varchar({{ varchar_length(type['length']) }}))
    {%- elif type['name'] == 'decimal' -%}
        cast({{ text }} as decimal({{ type['precision'] }}, {{ type['scale'] }}))
    {%- elif type['name'] == 'boolean' -%}
        {{ text }} = 'true'
    {%- elif type['name'] == 'date' -%}
        cast(substring({{ text }}, 1, 10) as date)
    {%- elif type['name'] == 'timestamp' -%}
        {#- isostring ends in Z even for times without a zone; six of nine digits of a fraction stay -#}
        cast(substring(replace({{ text }}, 'Z', ''), 1, 26) as timestamp)
    {%- else -%}
        cast({{ text }} as {{ type['name'] }})
    {%- endif -%}
{%- endmacro %}

{% macro reject_reason(events, columns) -%}
    case
        when {{ events }}.kafka_value is null then null
        when not {{ events }}.is_utf8 then 'not_utf8'
        when not {{ events }}.is_json then 'not_json'
        when {{ events }}.op is null or not {{ events }}.has_source then 'not_an_envelope'
        when {{ events }}.op = 't' then 'truncate'
        when {{ events }}.op not in ('r', 'c', 'u', 'd') then 'unknown_op'
        when {{ events }}.source_epoch is null then 'unknown_source'
        when {{ events }}.change_position is null then 'no_position'
        when not {{ matches("coalesce(" ~ events ~ ".committed_ms, '')", '[0-9]{1,14}') }}
            then 'no_commit_time'
        when not {{ events }}.has_row then 'no_row'
        when {{ events }}.names_another_key then 'other_key'
        {%- for column in columns %}
        {%- set text = events ~ '.row__' ~ column['name'] %}
        {%- set lacking = '' if column['is_key'] else ' and not ' ~ is_listed(column['name'], events ~ '.row_lacks') %}
        when not {{ events }}.row_fits__{{ column['name'] }}{{ lacking }}
            then
                case
                    {%- if column['type']['name'] in ['varchar', 'decimal'] %}
                    when {{ events }}.row_is_other__{{ column['name'] }} then 'invalid_value'
                    {%- endif %}
                    when {{ text }} is null then 'missing_column'
                    {%- if column['is_key'] %}
                    when {{ text }} = '{{ unavailable_forms()[0] }}' then 'unavailable_value'
                    {%- endif %}
                    else '{{ "value_too_long" if column["type"]["name"] == "varchar" else "invalid_value" }}'
                end || ':{{ column["name"] }}'
        {%- endfor %}
    end
{%- endmacro %}

{% macro before_is_known(events, columns) -%}
    {{ events }}.op in ('u', 'd') and {{ events }}.has_before_image
    {%- for column in columns %}
    and ({{ events }}.before_fits__{{ column['name'] }}
        {%- if not column['is_key'] %} or {{ is_listed(column['name'], events ~ '.before_lacks') }}{% endif %})
    {%- endfor %}
    and coalesce({{ events }}.before_lacks, '') <> ',{{ columns | rejectattr('is_key') | map(attribute='name') | join(',') }},'
{%- endmacro %}

{#- Boolean SQL, never null: what an image has could stand in the column. `image` is row or before. -#}
{% macro could_be_value(events, image, column) -%}
    {%- set text = events ~ '.' ~ image ~ '__' ~ column['name'] -%}
    (
        {{- 'true' if column['nullable'] else text ~ ' is not null' }}
        {%- if column['type']['name'] in ['varchar', 'decimal'] %}
        and not coalesce({{ events }}.{{ image }}_is_other__{{ column['name'] }}, false)
        {%- endif %}
        and coalesce({{ text }}, '') <> '{{ unavailable_forms()[0] }}'
        {%- if column['type']['name'] == 'varchar' %}
        and not coalesce({{ _is_too_long(text, column['type']) }}, false)
        {%- else %}
        and coalesce({{ _has_form(text, column['type']) }}, true)
        {%- endif %}
    )
{%- endmacro %}

{#- 65,535 bytes is what one string of a Redshift SUPER holds: the same limit on every engine. -#}
{% macro _is_too_long(text, type) -%}
    (
        length({{ text }}) > {{ type['length'] }}
        {%- if type['length'] * 4 > 65535 %}
        or {{ byte_length(text) }} > 65535
        {%- endif %}
    )
{%- endmacro %}
