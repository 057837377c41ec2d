{#-
  What a value of each declared type looks like as text. No engine's cast is trusted to refuse: a
  value that matches is cast, any other rejects its record (docs/semantics.md, "Acceptance").
-#}

{#- A whole number in JSON: what a decimal or a text was in the source once, exact on every engine. -#}
{% macro whole_number_form() %}{{ return('-?[0-9]{1,18}') }}{% endmacro %}

{#-
  JSON without its texts in which a number is found that engines spell differently: with an exponent in one
  of them, without in another.
-#}
{% macro spelt_differently_form() %}{{ return('[0-9][eE]|[0-9]{8}[.]|(^|[^0-9])0[.]000|[0-9]{19}') }}{% endmacro %}

{#- Boolean SQL: a text of its type's form is what PostgreSQL has beside numbers. -#}
{% macro _is_no_number(text) -%} (left({{ text }}, 1) in ('N', 'P', 'I') or {{ text }} = '-Infinity') {%- endmacro %}

{#- Regular expression (of the part common to RE2, POSIX and Java) for the text of a type. -#}
{% macro _lexical_form(type) %}
    {% set year = '(000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})' %}
    {% set leap = '([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)' %}
    {% set month_and_day = '((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)'
        ~ '|02-(0[1-9]|1[0-9]|2[0-8]))' %}
    {% set date = '(' ~ year ~ '-' ~ month_and_day ~ '|' ~ leap ~ '-02-29)' %}
    {% set time = '([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,' ~ ('6}0{0,3})?' if type['is_key'] else '9})?') %}
    {% set offset = '' if type['time_zone'] else '|[+-](0[0-9]|1[0-4]):[0-5][0-9]' %}
    {#- beside numbers, as text and as the connector spells it -#}
    {% set no_number = '|NaN|NAN|-?Infinity|(POSITIVE|NEGATIVE)_INFINITY' if type['has_answer'] else '' %}
    {#- what Java makes of years beyond 9999 and before 1, the infinities among them -#}
    {% set beyond = '|-?infinity|([+-][0-9]{4,10}|0000)-[0-9]{2}-[0-9]{2}(T' ~ time ~ ')?Z?' if type['has_answer'] else '' %}
    {% set whole = (type['precision'] or 0) - (type['scale'] or 0) %}
    {% set forms = {
        'smallint': '-?(0|[1-9][0-9]{0,4})',
        'integer': '-?(0|[1-9][0-9]{0,9})',
        'bigint': '-?(0|[1-9][0-9]{0,18})',
        'decimal': '-?' ~ ('(0|[1-9][0-9]{0,' ~ (whole - 1) ~ '})' if whole > 0 else '0')
            ~ ('([.][0-9]{1,' ~ type['scale'] ~ '})?' if type['scale'] else '') ~ no_number,
        'boolean': '(true|false)',
        'date': date ~ 'Z?' ~ beyond,
        'timestamp': date ~ '(Z?|T' ~ time ~ '(Z?' ~ offset ~ '))' ~ beyond,
    } %}
    {% if type['from_float'] %}
        {% do return('-?[0-9]+([.][0-9]+)?([eE]([+]?[0-9]{1,2}|-[0-9]{1,3}))?' ~ no_number) %}
    {% endif %}
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
            {{ '(' if not type['is_key'] }}{{ matches(text, _lexical_form(type)) }}
            and (
                length({{ text }}) < {{ largest | length }}
                or length(replace({{ text }}, '-', '')) < {{ largest | length }}
                or replace({{ text }}, '-', '') <= '{{ largest }}'
                or {{ text }} = '-{{ largest[:-1] }}8'
            )
            {#- a bit that became a number #}
            {{ ") or " ~ text ~ " in ('true', 'false')" if not type['is_key'] }}
        )
    {%- elif type['from_float'] -%}
        case
            {%- if type['has_answer'] %}
            when {{ matches(text, _lexical_form(type)) }} and {{ _is_no_number(text) }} then true
            {%- endif %}
            when {{ matches(text, _lexical_form(type)) }}
                then {{ _float_units(text, type) }} < {{ _power_of_ten(type['precision']) }}
            else {{ text }} is null
        end
    {%- elif type['name'] == 'timestamp' and not type['time_zone'] and not type['has_answer'] -%}
        case
            when not {{ matches(text, _lexical_form(type)) }} then false
            when {{ _is_at_an_edge(text) }} then not {{ _is_moved_beyond(text) }}
            else true
        end
    {%- else -%}
        {{ matches(text, _lexical_form(type)) }}
    {%- endif -%}
{%- endmacro %}

{#- Boolean SQL, never null: a time of its form has an offset that moves it out of the years 0001 to 9999. -#}
{% macro _leaves_the_years(text, type) -%}
    case
        when not {{ _is_at_an_edge(text) }} then false
        when {{ matches(text, _lexical_form(type)) }} then {{ _is_moved_beyond(text) }}
        else false
    end
{%- endmacro %}

{% macro _is_at_an_edge(text) -%}
    (left({{ text }}, 10) in ('0001-01-01', '9999-12-31') and {{ _has_offset(text) }})
{%- endmacro %}

{% macro _is_moved_beyond(text) -%}
    ({{ offset_to_utc(text) }} not between {{ _edge('timestamp', 'first') }} and {{ _edge('timestamp', 'last') }})
{%- endmacro %}

{#- The engine's type for a declared one, as `declared_columns` gives it. -#}
{% macro sql_type(type) -%}
    {%- if type['name'] == 'varchar' -%} varchar({{ varchar_length(type['length']) }})
    {%- elif type['name'] == 'decimal' -%} decimal({{ type['precision'] }}, {{ type['scale'] }})
    {%- elif type['name'] == 'smallint' -%} {{ smallint_type() }}
    {%- else -%} {{ type['name'] }}
    {%- endif -%}
{%- endmacro %}

{#-
  SQL: a float without its sign as a whole number of units of the declared scale, half a unit counts as
  one. IEEE arithmetic of at most 15 digits: every engine comes to the same double.
-#}
{% macro _float_units(text, type) -%}
    floor(
        abs(cast(case when lower({{ text }}) like '%e-___' then '0' else {{ text }} end as {{ double_type() }}))
        * {{ _power_of_ten(type['scale']) }} + cast(0.5 as {{ double_type() }})
    )
{%- endmacro %}

{% macro _power_of_ten(digits) -%} cast({{ 10 ** digits }} as {{ double_type() }}) {%- endmacro %}

{% macro typed_value(text, type) -%}
    {%- if type['name'] == 'varchar' -%}
        cast({{ text }} as {{ sql_type(type) }})
    {%- elif type['name'] == 'decimal' -%}
        {%- set number = 'case when not ' ~ _is_no_number(text) ~ ' then ' ~ text ~ ' end' if type['has_answer'] else text -%}
        {%- if type['from_float'] -%}
            cast(
                cast(case when {{ text }} like '-%' then -1 else 1 end * cast({{ _float_units(number, type) }} as bigint) as decimal({{ type['precision'] }}, 0))
                * cast('{{ '0.' ~ '0' * (type['scale'] - 1) ~ '1' if type['scale'] else '1' }}' as decimal({{ type['scale'] + 1 }}, {{ type['scale'] }}))
                as {{ sql_type(type) }}
            )
        {%- else -%}
            cast({{ number }} as {{ sql_type(type) }})
        {%- endif -%}
    {%- elif type['name'] == 'boolean' -%}
        {{ text }} = 'true'
    {%- elif type['name'] == 'date' -%}
        {{ _nearest(text, type, 'cast(substring(' ~ text ~ ', 1, 10) as date)') }}
    {%- elif type['name'] == 'timestamp' -%}
        {{ _nearest(text, type, _utc(text, type)) }}
    {%- elif type['is_key'] -%}
        cast({{ text }} as {{ type['name'] }})
    {%- else -%}
        cast(case {{ text }} when 'true' then '1' when 'false' then '0' else {{ text }} end as {{ type['name'] }})
    {%- endif -%}
{%- endmacro %}

{% macro _has_offset(text) -%}
    ({{ text }} not like '%Z' and length({{ text }}) > 19 and left(right({{ text }}, 6), 1) in ('+', '-'))
{%- endmacro %}

{#- SQL: the timestamp in UTC that a text of its form spells; six of nine digits of a fraction stay. -#}
{% macro _utc(text, type) -%}
    {#- isostring ends in Z even for times without a zone -#}
    {%- set told = without_offset(text) -%}
    {%- if type['time_zone'] -%}
        {#- before 1970 engines know other zones, and 9999 is no time -#}
        case
            when {{ told }} >= cast('1970-01-01' as timestamp) and {{ told }} < cast('9999-01-01' as timestamp)
                then {{ local_to_utc(told, type['time_zone']) }}
            else {{ told }}
        end
    {%- else -%}
        {%- set moved = offset_to_utc(text) -%}
        {%- if type['has_answer'] -%}
            {%- set moved = 'least(greatest(' ~ moved ~ ', ' ~ _edge('timestamp', 'first') ~ '), ' ~ _edge('timestamp', 'last') ~ ')' -%}
        {%- endif -%}
        case when {{ _has_offset(text) }} then {{ moved }} else {{ told }} end
    {%- endif -%}
{%- endmacro %}

{#- SQL: for what lies beyond the years 0001 to 9999 the first or the last moment, else `value`. -#}
{% macro _nearest(text, type, value) -%}
    {%- if type['has_answer'] -%}
        case
            when {{ _is_beyond(text) }}
                then case
                    -- the second is a date's infinity, as the connector spells it
                    when left({{ text }}, 1) in ('+', 'i') or left({{ text }}, 14) = '-5877611-06-21'
                        then {{ _edge(type['name'], 'last') }}
                    else {{ _edge(type['name'], 'first') }}
                end
            else {{ value }}
        end
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}

{#- Boolean SQL: a date or time of its form begins with a sign, with the year 0000, or is a word. -#}
{% macro _is_beyond(text) -%} ({{ text }} < '0001' or {{ text }} >= 'i') {%- endmacro %}

{% macro _edge(name, which) -%}
    {%- set edges = {'first': ['0001-01-01', '00:00:00'], 'last': ['9999-12-31', '23:59:59.999999']}[which] -%}
    cast('{{ edges[0] ~ (' ' ~ edges[1] if name == 'timestamp' else '') }}' as {{ name }})
{%- endmacro %}

{#-
  SQL: the names of columns whose value stands for another one, between commas, null for none: null for what
  is no value of the type, the nearest moment, a text that the connector may have cut.
-#}
{% macro replaced_columns(events, columns) -%}
    {%- set conditions = {} -%}
    {%- for column in columns -%}
        {%- set text, type = events ~ '.row__' ~ column['name'], column['type'] -%}
        {%- if type['on_invalid'] == 'null' -%}
            {%- do conditions.update({column['name']:
                'not ' ~ events ~ '.row_fits__' ~ column['name'] ~ ' and coalesce(' ~ text ~ ", '') <> '" ~ unavailable_forms()[0] ~ "'"
            }) -%}
        {%- elif type['has_answer'] and type['name'] == 'decimal' -%}
            {%- do conditions.update({column['name']: _is_no_number(text)}) -%}
        {%- elif type['has_answer'] -%}
            {%- set moved = ' or ' ~ _leaves_the_years(text, type) if type['name'] == 'timestamp' and not type['time_zone'] else '' -%}
            {%- do conditions.update({column['name']: _is_beyond(text) ~ moved}) -%}
        {%- elif type['is_cut'] -%}
            {#- the connector counts in UTF-16; who lacks characters must have so many of four bytes -#}
            {%- set lacks = '(' ~ type['length'] ~ ' - length(' ~ text ~ '))' -%}
            {%- do conditions.update({column['name']:
                'case when ' ~ byte_length(text) ~ ' - length(' ~ text ~ ') >= 3 * ' ~ lacks
                ~ ' then ' ~ surrogate_pairs(text, type['length']) ~ ' >= ' ~ lacks ~ ' else false end'
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ cdc_history.names_where(conditions) if conditions else 'cast(null as varchar(65535))' }}
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
        {%- for column in columns if column['type']['on_invalid'] != 'null' %}
        {%- set text = events ~ '.row__' ~ column['name'] %}
        {%- set lacking = '' if column['is_key'] else ' and not ' ~ is_listed(column['name'], events ~ '.row_lacks') %}
        when not {{ events }}.row_fits__{{ column['name'] }}{{ lacking }}
            then
                case
                    {%- if column['is_key'] %}
                    when {{ text }} = '{{ unavailable_forms()[0] }}' then 'unavailable_value'
                    {%- endif %}
                    {%- if column['type']['name'] in ['varchar', 'decimal'] %}
                    when {{ events }}.row_is_other__{{ column['name'] }} then 'invalid_value'
                    {%- endif %}
                    when {{ text }} is null then 'missing_column'
                    else '{{ "value_too_long" if column["type"]["name"] == "varchar" else "invalid_value" }}'
                end || ':{{ column["name"] }}'
        {%- endfor %}
    end
{%- endmacro %}

{% macro before_is_known(events, columns) -%}
    {{ events }}.op in ('u', 'd') and {{ events }}.has_before_image
    {%- for column in columns if column['type']['on_invalid'] != 'null' %}
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
