{#-
  Spark's body of decoded_events. Its parser takes text behind the document, and gives what it could read of a broken
  one; so the record is read as the member of an object whose other member is the record's own hash, which no value
  can forge. from_json gives every value as text; whether it was a string only a VARIANT tells.
-#}
{% macro spark__decoded_events(table, columns) %}
{% do return({'parsed': _spark_parsed(), 'events': _spark_events(table, columns)}) %}
{% endmacro %}

{% macro _spark_parsed() %}
{% set strict = "map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false', 'columnNameOfCorruptRecord', '_corrupt_record')" %}
{% set position_fields = _spark_position_fields() %}
decoded as (
    select
        records.*,
        try_validate_utf8(cast(records.kafka_value as string)) as value_text,
        try_validate_utf8(cast(records.kafka_key as string)) as key_text
    from records
),

wrapped as (
    select
        decoded.*,
        from_json(
            '{"r":' || value_text || ',"e":"' || md5(value_text) || '"}',
            'r string, e string, _corrupt_record string',
            {{ strict }}
        ) as wrap
    from decoded
),

valid as (
    select
        wrapped.*,
        coalesce(wrap.e = md5(value_text) and wrap._corrupt_record is null, false)
        -- half of a character that UTF-16 writes as two: `x` stands for an escaped backslash
        and not case
            when regexp_like(value_text, '(?i)\\\\ud[89a-f]')
                then regexp_like(
                    regexp_replace(
                        replace(value_text, '\\\\', 'x'), '(?i)\\\\ud[89ab][0-9a-f]{2}\\\\ud[c-f][0-9a-f]{2}', ''
                    ),
                    '(?i)\\\\ud[89a-f]'
                )
            else false
        end as is_valid
    from wrapped
),

parsed as (
    select
        valid.kafka_topic,
        valid._cdc_incarnation,
        valid.kafka_partition,
        valid.kafka_offset,
        valid.kafka_timestamp,
        valid.kafka_key,
        valid.kafka_value,
        valid.value_text,
        valid.key_text,
        valid.is_valid,
        case when is_valid and regexp_like(value_text, '^\\s*[{]')
            then from_json(value_text, 'op string, before string, after string, source string, transaction string', {{ strict }})
        end as event
    from valid
)
{% endmacro %}

{% macro _spark_position_fields() %}
    {% do return({
        'postgresql': ['lsn', 'sequence'],
        'sqlserver': ['commit_lsn', 'change_lsn', 'event_serial_no'],
    }[source_connector()]) %}
{% endmacro %}

{% macro _spark_events(table, columns) %}
{% set text_types = ['varchar', 'decimal'] %}
{% set all_names = columns | map(attribute='source_names') | sum(start=[]) | unique | list %}
{% set fields = [] %}
{% for name in all_names %}{% do fields.append(quoted(name) ~ ' string') %}{% endfor %}
{% set image_type = cdc_history.text_literal(fields | join(', ')) %}
{% set names = 'array(' ~ text_literals(columns | map(attribute='source_names') | map('first')) ~ ')' %}
{% set known = 'array(' ~ text_literals(all_names) ~ ')' %}
{% set renamed = [] %}
{% for column in columns if column['source_names'] | length > 1 %}{% do renamed.append(column) %}{% endfor %}
imaged as (
    select
        parsed.*,
        from_json(parsed.event.source, 'name string, ts_ms string{% for field in _spark_position_fields() %}, {{ field }} string{% endfor %}') as source,
        from_json(parsed.event.transaction, 'total_order string') as transaction,
        case when parsed.event.op = 'd' then {{ _spark_object('before') }} else {{ _spark_object('after') }} end as row_text,
        {{ _spark_object('before') }} as before_text
    from {{ log_step(table, 'parsed') }}
),

keyed as (
    select
        imaged.*,
        {%- for image in ['row', 'before'] %}
        json_object_keys({{ image }}_text) as {{ image }}_keys,
        from_json({{ image }}_text, {{ image_type }}) as {{ image }}_image,
        try_parse_json({{ image }}_text) as {{ image }}_variant,
        {%- endfor %}
        {% for sign in unavailable_signs() %}
            {{- ' or ' if not loop.first }}contains(imaged.value_text, '{{ sign }}')
        {%- endfor %} as names_unavailable
    from imaged
),

valued as (
    select
        keyed.*
        {%- for column in columns %}
        {%- for image in ['row', 'before'] %},
        {{ _spark_value(image, column, 'text') }} as {{ image }}_raw__{{ column['name'] }}
        {%- if column['type']['name'] in text_types %},
        {{ _spark_value(image, column, 'type') }} = 'STRING' as {{ image }}_is_text__{{ column['name'] }}
        {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from keyed
),

events as (
    select
        valued.kafka_topic,
        valued._cdc_incarnation,
        valued.kafka_partition,
        valued.kafka_offset,
        valued.kafka_timestamp,
        valued.kafka_key,
        valued.kafka_value,
        valued.value_text is not null as is_utf8,
        valued.is_valid
        and coalesce(size(row_keys) = size(array_distinct(row_keys)), true)
        -- as the DuckDB body: many brackets, and some closed at once
        and not coalesce(
            case when length(value_text) - length(translate(value_text, '[{', '')) > 100
                then
                    regexp_like({{ _spark_bare('value_text') }}, '([}\\]]\\s*){4}')
                    and length({{ _spark_bare('value_text') }}) - length(translate({{ _spark_bare('value_text') }}, '[{', '')) > 100
            end,
            false
        ) as is_json,
        valued.event.op,
        valued.source.name as source_name,
        valued.source.ts_ms as committed_ms,
        {%- for field in _spark_position_fields() %}
        valued.source.{{ field }},
        {%- endfor %}
        valued.transaction.total_order,
        valued.source.name is not null as has_source,
        coalesce(size(row_keys) > 0, false) as has_row,
        valued.before_image is not null as has_before_image,
        valued.key_text,
        {%- for image in ['row', 'before'] %}
        case when size({{ image }}_keys) > 0 and {{ image }}_keys <> {{ names }}
            then nullif(',' || array_join(filter(
                {{ names }}, name -> not arrays_overlap({{ image }}_keys, {% if renamed -%}
                    case name
                        {%- for column in renamed %}
                        when {{ cdc_history.text_literal(column['source_names'][0]) }} then array({{ text_literals(column['source_names']) }})
                        {%- endfor %}
                        else array(name)
                    end
                {%- else %}array(name){% endif %})
            ), ',') || ',', ',,')
        end as {{ image }}_missing,
        {%- endfor %}
        names_unavailable
        or row_keys <> {{ names }}
        or (size(before_keys) > 0 and before_keys <> {{ names }}) as is_doubtful,
        case when row_keys <> {{ names }}
            then nullif(array_join(transform(slice(sort_array(filter(
                row_keys, name -> not array_contains({{ known }}, name)
            )), 1, {{ named_unknown_columns() }}), name -> left(name, 250)), ','), '')
        end as unknown_columns
        {%- for column in columns %}
        {%- for image in ['row', 'before'] %}
        {%- set raw, is_text = image ~ '_raw__' ~ column['name'], image ~ '_is_text__' ~ column['name'] %},
        case
            when {{ _spark_is_unavailable(raw) }} then '{{ unavailable_forms()[0] }}'
            {%- if column['type']['name'] in text_types %}
            when {{ is_text }} or {{ _spark_stands_for_text(raw, column['type']) }} then {{ raw }}
        end as {{ image }}__{{ column['name'] }},
        case
            when {{ is_text }} then contains({{ raw }}, chr(0))
            else not ({{ _spark_stands_for_text(raw, column['type']) }})
        end as {{ image }}_is_other__{{ column['name'] }}
            {%- else %}
            else {{ raw }}
        end as {{ image }}__{{ column['name'] }}
            {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from valued
)
{% endmacro %}

{#- SQL: the object that a record has under a name, as text; a string may hold the text of one. -#}
{% macro _spark_object(name) -%}
    case when schema_of_variant(variant_get(try_parse_json(parsed.value_text), '$.{{ name }}')) like 'OBJECT%' then parsed.event.{{ name }} end
{%- endmacro %}

{#- SQL: the value that an image has under the first of the column's names that it has, or what a VARIANT calls its type. -#}
{% macro _spark_value(image, column, what) -%}
    {%- set values = {} -%}
    {%- for name in column['source_names'] -%}
        {%- do values.update({name:
            image ~ '_image.' ~ quoted(name) if what == 'text'
            else 'schema_of_variant(variant_get(' ~ image ~ '_variant, ' ~ cdc_history.text_literal("$['" ~ name ~ "']") ~ "))"
        }) -%}
    {%- endfor -%}
    {%- if values | length == 1 -%}
        {{ values.values() | first }}
    {%- else -%}
    case
        {%- for name, value in values.items() %}
        when array_contains({{ image }}_keys, {{ cdc_history.text_literal(name) }}) then {{ value }}
        {%- endfor %}
    end
    {%- endif -%}
{%- endmacro %}

{#- SQL: the text outside strings. Possessive, because Java's parser of patterns calls itself for each turn otherwise. -#}
{% macro _spark_bare(text) -%} regexp_replace({{ text }}, '"(?:[^"\\\\]++|\\\\.)*+"', '""') {%- endmacro %}

{% macro _spark_stands_for_text(raw, type) -%}
    {%- if type['from_float'] -%}
        {{ matches(raw, '[-0-9].*') }}
    {%- else -%}
        {{ matches(raw, whole_number_form()) }}
        {%- if type['name'] == 'varchar' %}
        or (
            left({{ raw }}, 1) in ('[', '{')
            and octet_length({{ raw }}) <= 65535
            and not regexp_like({{ _spark_bare(raw) }}, '{{ spelt_differently_form() }}')
        )
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Boolean SQL, never null: the value stands for one that was left out. -#}
{% macro _spark_is_unavailable(raw) -%}
    case
        when not names_unavailable then false
        else coalesce(
            regexp_replace({{ raw }}, '[\\s"\\\\]|[.]0+', '') in ('{{ unavailable_forms() | join("', '") }}'),
            false
        )
    end
{%- endmacro %}
