{#-
  The steps from `records` to `events` (change_log.sql): one row per record with the envelope's fields as text.

  op, source_name, committed_ms, the connector's position fields, is_utf8, is_json, key_text,
  has_row, has_before_image, row_missing and before_missing (the source's names of columns that the image
  does not have, between commas, null for none), unknown_columns (comma-separated, null for none),
  is_doubtful (false where no image can lack a value that was not null), and for each column row__<name>
  and before__<name> (text; null for absent and JSON null alike; the first of unavailable_forms() for
  all), with row_is_other__<name> and before_is_other__<name> where a varchar holds anything but a string.
-#}
{% macro decoded_events(table, columns) %}
    {{ return(adapter.dispatch('decoded_events')(table, columns)) }}
{% endmacro %}

{% macro named_unknown_columns() %}{{ return(60) }}{% endmacro %}

{% macro duckdb__decoded_events(table, columns) %}
{% do return({'events': _duckdb_events(columns)}) %}
{% endmacro %}

{% macro _duckdb_events(columns) %}
{% set text_types = ['varchar', 'decimal'] %}
{% set fields = {} %}
{% for column in columns %}
    {% do fields.update({
        column['source_names'][0]: 'JSON' if column['type']['name'] in text_types else 'VARCHAR'
    }) %}
{% endfor %}
{% set position_fields = {
    'postgresql': {'lsn': 'VARCHAR', 'sequence': 'VARCHAR'},
    'sqlserver': {'commit_lsn': 'VARCHAR', 'change_lsn': 'VARCHAR', 'event_serial_no': 'VARCHAR'},
}[source_connector()] %}
{% set envelope = {
    'op': 'VARCHAR',
    'before': fields,
    'after': fields,
    'source': dict(name='VARCHAR', ts_ms='VARCHAR', **position_fields),
    'transaction': {'total_order': 'VARCHAR'},
} %}
{#- the text outside strings: a change event has some six opening brackets there -#}
{% set bare %}regexp_replace(named.value_text, '"([^"\\]|\\.)*"', '""', 'g'){% endset %}
{% set names = '[' ~ text_literals(columns | map(attribute='source_names') | map('first')) ~ ']' %}
{% set known = '[' ~ text_literals(columns | map(attribute='source_names') | sum(start=[])) ~ ']' %}
{% set renamed = [] %}
{% for column in columns if column['source_names'] | length > 1 %}{% do renamed.append(column) %}{% endfor %}
decoded as (
    select
        records.*,
        try(decode(records.kafka_value)) as value_text
    from records
),

parsed as (
    select
        decoded.*,
        json_valid(decoded.value_text) as is_valid,
        case when json_valid(decoded.value_text)
            then from_json(decoded.value_text, {{ cdc_history.text_literal(tojson(envelope)) }})
        end as event
    from decoded
),

keyed as (
    select
        parsed.*,
        json_keys(case when parsed.is_valid then parsed.value_text end, ['$.before', '$.after']) as image_keys
    from parsed
),

named as (
    select
        keyed.*,
        keyed.image_keys[1] as before_keys,
        case when keyed.event.op = 'd' then keyed.image_keys[1] else keyed.image_keys[2] end as row_keys,
        {% for sign in unavailable_signs() %}
            {{- ' or ' if not loop.first }}contains(keyed.value_text, '{{ sign }}')
        {%- endfor %} as names_unavailable
    from keyed
),

-- what DuckDB's parser tolerates and others refuse; only where a quick look finds a sign of it
strict as (
    select
        named.*,
        case
            when not coalesce(named.is_valid, false) then false
            when
                -- each begins with a plain character, which RE2 looks for several times as fast
                regexp_matches(named.value_text, ',\s*[}\]]')
                or regexp_matches(named.value_text, '}(\s*[}\]]){3}')
                or regexp_matches(named.value_text, '\](\s*[}\]]){3}')
                or regexp_matches(named.value_text, '(?i):\s*-?(nan|inf)')
                or coalesce(named.row_keys <> {{ names }}, true)
                then
                    coalesce(len(named.row_keys) = len(list_distinct(named.row_keys)), true)
                    and not regexp_matches({{ bare }}, ',\s*[}\]]|(?i:nan|inf)')
                    and not (
                        regexp_matches({{ bare }}, '([}\]]\s*){4}')
                        and length({{ bare }}) - length(translate({{ bare }}, '[{', '')) > 100
                    )
            else true
        end as is_json,
        case when named.event.op = 'd' then named.event.before else named.event.after end as row_image,
        named.event.before as before_image
        {%- for column in renamed %},
        {{ _duckdb_renamed_value('row', column, column['type']['name'] in text_types) }} as row_of__{{ column['name'] }},
        {{ _duckdb_renamed_value('before', column, column['type']['name'] in text_types) }} as before_of__{{ column['name'] }}
        {%- endfor %}
    from named
),

events as (
    select
        strict.kafka_topic,
        strict._cdc_incarnation,
        strict.kafka_partition,
        strict.kafka_offset,
        strict.kafka_timestamp,
        strict.kafka_key,
        strict.kafka_value,
        strict.value_text is not null as is_utf8,
        strict.is_json,
        strict.event.op,
        strict.event.source.name as source_name,
        strict.event.source.ts_ms as committed_ms,
        {%- for field in position_fields %}
        strict.event.source.{{ field }},
        {%- endfor %}
        strict.event.transaction.total_order,
        strict.event.source.name is not null as has_source,
        coalesce(len(strict.row_keys) > 0, false) as has_row,
        strict.before_image is not null as has_before_image,
        try(decode(strict.kafka_key)) as key_text,
        {%- for image in ['row', 'before'] %}
        case when len(strict.{{ image }}_keys) > 0 and strict.{{ image }}_keys <> {{ names }}
            then nullif(',' || array_to_string(list_filter(
                {{ names }}, lambda name: not list_has_any(strict.{{ image }}_keys, {% if renamed -%}
                    case name
                        {%- for column in renamed %}
                        when {{ cdc_history.text_literal(column['source_names'][0]) }} then [{{ text_literals(column['source_names']) }}]
                        {%- endfor %}
                        else [name]
                    end
                {%- else %}[name]{% endif %})
            ), ',') || ',', ',,')
        end as {{ image }}_missing,
        {%- endfor %}
        strict.names_unavailable
        or strict.row_keys <> {{ names }}
        or (len(strict.before_keys) > 0 and strict.before_keys <> {{ names }}) as is_doubtful,
        case when strict.row_keys <> {{ names }}
            then nullif(array_to_string(list_transform(list_sort(list_filter(
                strict.row_keys, lambda name: not list_contains({{ known }}, name)
            ))[:{{ named_unknown_columns() }}], lambda name: left(name, 250)), ','), '')
        end as unknown_columns
        {%- for column in columns %}
        {%- for image in ['row', 'before'] %}
        {%- set value = 'strict.' ~ image ~ ('_of__' ~ column['name'] if column in renamed
            else '_image.' ~ quoted(column['source_names'][0])) %}
        {%- if column['type']['name'] in text_types %},
        case
            when {{ _duckdb_is_unavailable(value) }} then '{{ unavailable_forms()[0] }}'
            else {{ _duckdb_json_text(value, column['type']) }}
        end as {{ image }}__{{ column['name'] }},
        {{ _duckdb_is_no_text(value, column['type']) }} as {{ image }}_is_other__{{ column['name'] }}
        {%- else %},
        case
            when {{ _duckdb_is_unavailable(value) }} then '{{ unavailable_forms()[0] }}'
            else {{ value }}
        end as {{ image }}__{{ column['name'] }}
        {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from strict
)
{% endmacro %}

{#- SQL: what the image has under the first of the column's names that it has; a null counts. -#}
{% macro _duckdb_renamed_value(image, column, is_json) -%}
    {%- set newest, older = column['source_names'][0], column['source_names'][1:] -%}
    case
        when list_contains(named.{{ image }}_keys, {{ cdc_history.text_literal(newest) }})
            then {% if image == 'row' %}case when named.event.op <> 'd' then named.event.after.{{ quoted(newest) }} else {% endif -%}
                named.event.before.{{ quoted(newest) }}{{ ' end' if image == 'row' }}
        {%- for name in older %}
        {#- as a JSON pointer: names of which only the case differs are one in a struct #}
        when list_contains(named.{{ image }}_keys, {{ cdc_history.text_literal(name) }})
            then {{ 'nullif(' if is_json }}named.value_text {{ '->' if is_json else '->>' }} (
                {{- "case when named.event.op <> 'd' then '/after/' else '/before/' end" if image == 'row' else "'/before/'" }}
                || {{ cdc_history.text_literal(name | replace('~', '~0') | replace('/', '~1')) }}
            ){{ ", 'null')" if is_json }}
        {%- endfor %}
    end
{%- endmacro %}

{#-
  The string in a JSON value, parsed again only where it holds an escape; and what else can be read as
  the type: it was of another one in the source once, or has no text there.
-#}
{% macro _duckdb_json_text(json, type) -%}
    case
        when not starts_with(cast({{ json }} as varchar), '"')
            then case when {{ _duckdb_stands_for_text(json, type) }} then cast({{ json }} as varchar) end
        when contains(cast({{ json }} as varchar), '\') then {{ json }} ->> '$'
        else substr(cast({{ json }} as varchar), 2, length(cast({{ json }} as varchar)) - 2)
    end
{%- endmacro %}

{#- Boolean SQL for a JSON value that is no string: its JSON is the text, the same on every engine. -#}
{% macro _duckdb_stands_for_text(json, type) -%}
    {%- set text = 'cast(' ~ json ~ ' as varchar)' -%}
    {%- if type['from_float'] -%}
        {{ matches(text, '[-0-9].*') }}
    {%- else -%}
        {{ matches(text, whole_number_form()) }}
        {%- if type['name'] == 'varchar' %}
        or (
            {{ text }}[1] in ('[', '{')
            and strlen({{ text }}) <= 65535
            and not regexp_matches(regexp_replace({{ text }}, '"([^"\\]|\\.)*"', '""', 'g'), '{{ spelt_differently_form() }}')
        )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Neither a JSON null nor a text that every engine can hold (U+0000 is in none of their texts). -#}
{% macro _duckdb_is_no_text(json, type) -%}
    {#- outside a CASE all parts of a condition are computed for every row #}
    case
        when starts_with(cast({{ json }} as varchar), '"')
            then contains(cast({{ json }} as varchar), '\u0000') and contains({{ json }} ->> '$', chr(0))
        else not ({{ _duckdb_stands_for_text(json, type) }})
    end
{%- endmacro %}

{#- Boolean SQL, never null: the value stands for one that was left out. -#}
{% macro _duckdb_is_unavailable(value) -%}
    case
        when not strict.names_unavailable then false
        {#- of a longer IN the optimizer makes a join, for each column and image #}
        else coalesce(
            list_contains(
                ['{{ unavailable_forms() | join("', '") }}'],
                regexp_replace(cast({{ value }} as varchar), '[\s"\\]|\.0+', '', 'g')
            ),
            false
        )
    end
{%- endmacro %}
