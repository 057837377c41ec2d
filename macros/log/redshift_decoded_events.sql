{#-
  Redshift's body of decoded_events: the record as a SUPER. Navigation and casts of a SUPER are lax
  (what is absent and what fails both become null), so nothing is cast that JSON_TYPEOF has not named
  first: absent (no type), JSON null ('null'), text, and anything else stay apart. Numbers and booleans
  come through JSON_SERIALIZE, which writes them as they are.

  Attribute names are CamelCase on SQL Server: the pre-hook sets enable_case_sensitive_super_attribute.
-#}
{% macro redshift__decoded_events(table, columns) %}
{% do return({'imaged': _redshift_imaged(), 'events': _redshift_events(table, columns)}) %}
{% endmacro %}

{% macro _redshift_imaged() %}
parsed as (
    select
        records.kafka_topic,
        records._cdc_incarnation,
        records.kafka_partition,
        records.kafka_offset,
        records.kafka_timestamp,
        records.kafka_key,
        records.kafka_value,
        case when can_json_parse(records.kafka_value) then json_parse(records.kafka_value) end
            as document,
        case when octet_length(records.kafka_value) <= 65535 and can_json_parse(records.kafka_value)
            then from_varbyte(records.kafka_value, 'utf-8')
        end as value_text,
        case when octet_length(records.kafka_key) <= 65535 and can_json_parse(records.kafka_key)
            then from_varbyte(records.kafka_key, 'utf-8')
        end as key_text
    from records
),

enveloped as (
    select
        parsed.*,
        {{ _redshift_short(_redshift_scalar('parsed.document."op"')) }} as op,
        parsed.document."source" as event_source,
        parsed.document."before" as before_image,
        case
            when parsed.document is not null then true
            when octet_length(parsed.kafka_value) <= 32767
                then {{ _redshift_is_utf8('parsed.kafka_value') }}
            else true
        end as is_utf8,
        -- too deep for some engine: as in the DuckDB body, many brackets and some closed at once
        case
            when parsed.document is null then false
            when length(parsed.value_text) - length(translate(parsed.value_text, '[{', '')) > 100
                then
                    not (
                        {{ _redshift_bare('parsed.value_text') }} ~ '([]}][[:space:]]*){4}'
                        and length({{ _redshift_bare('parsed.value_text') }})
                        - length(translate({{ _redshift_bare('parsed.value_text') }}, '[{', '')) > 100
                    )
            else true
        end as is_json
    from parsed
),

imaged as (
    select
        enveloped.kafka_topic,
        enveloped._cdc_incarnation,
        enveloped.kafka_partition,
        enveloped.kafka_offset,
        enveloped.kafka_timestamp,
        enveloped.kafka_key,
        enveloped.kafka_value,
        enveloped.key_text,
        enveloped.is_utf8,
        enveloped.is_json,
        enveloped.op,
        enveloped.event_source,
        {{ _redshift_short(_redshift_scalar('enveloped.document."transaction"."total_order"')) }} as total_order,
        enveloped.before_image,
        case when enveloped.op = 'd' then enveloped.document."before" else enveloped.document."after" end
            as row_image,
        -- of a longer record the text is not looked at
        enveloped.value_text is null
        {%- for sign in unavailable_signs() %}
        or strpos(enveloped.value_text, '{{ sign }}') > 0
        {%- endfor %} as names_unavailable
    from enveloped
)
{% endmacro %}

{% macro _redshift_events(table, columns) %}
{% set position_fields = {
    'postgresql': ['lsn', 'sequence'],
    'sqlserver': ['commit_lsn', 'change_lsn', 'event_serial_no'],
}[source_connector()] %}
{% set ended_names = [] %}
{% for name in columns | map(attribute='source_names') | sum(start=[]) %}{% do ended_names.append(name ~ '.') %}{% endfor %}
images as (
    select
        imaged.*
        {%- for image in ['row', 'before'] %}
        {%- set conditions = {} %}
        {%- for column in columns %}
        {%- set absent = [] %}
        {%- for name in column['source_names'] %}
        {%- do absent.append('json_typeof(imaged.' ~ image ~ '_image.' ~ quoted(name) ~ ') is null') %}
        {%- endfor %}
        {%- do conditions.update({column['source_names'][0]: absent | join(' and ')}) %}
        {%- endfor %},
        case when json_typeof(imaged.{{ image }}_image) = 'object'
            then {{ cdc_history.names_where(conditions) }}
        end as {{ image }}_missing
        {%- endfor %}
    from {{ log_step(table, 'imaged') }}
),

undeclared as (
    select
        named._cdc_incarnation,
        named.kafka_partition,
        named.kafka_offset,
        listagg(named.attribute_name, ',') within group (order by named.place) as unknown_columns
    from (
        select
            imaged._cdc_incarnation,
            imaged.kafka_partition,
            imaged.kafka_offset,
            left(cast(attribute as varchar(1000)), 250) as attribute_name,
            row_number() over (
                partition by imaged._cdc_incarnation, imaged.kafka_partition, imaged.kafka_offset
                order by cast(attribute as varchar(1000))
            ) as place
        from {{ log_step(table, 'imaged') }}, unpivot imaged.row_image as attribute_value at attribute
        -- blanks at the end of a name count, which Redshift does not see in a comparison
        where cast(attribute as varchar(1000)) || '.' not in (
            {{ text_literals(ended_names) }}
        )
    ) as named
    where named.place <= {{ named_unknown_columns() }}
    group by named._cdc_incarnation, named.kafka_partition, named.kafka_offset
),

events as (
    select
        imaged.kafka_topic,
        imaged._cdc_incarnation,
        imaged.kafka_partition,
        imaged.kafka_offset,
        imaged.kafka_timestamp,
        imaged.kafka_key,
        imaged.kafka_value,
        imaged.is_utf8,
        imaged.is_json,
        imaged.op,
        {{ _redshift_short(_redshift_scalar('imaged.event_source."name"'), 255) }} as source_name,
        {{ _redshift_short(_redshift_scalar('imaged.event_source."ts_ms"')) }} as committed_ms,
        {%- for field in position_fields %}
        {{ _redshift_short(_redshift_scalar('imaged.event_source."' ~ field ~ '"')) }} as {{ field }},
        {%- endfor %}
        imaged.total_order,
        coalesce(json_typeof(imaged.event_source."name") <> 'null', false) as has_source,
        coalesce(
            json_typeof(imaged.row_image) = 'object' and json_size(imaged.row_image) > 2, false
        ) as has_row,
        coalesce(json_typeof(imaged.before_image) = 'object', false) as has_before_image,
        imaged.key_text,
        imaged.row_missing,
        imaged.before_missing,
        imaged.names_unavailable or imaged.row_missing is not null or imaged.before_missing is not null
            as is_doubtful,
        undeclared.unknown_columns
        {%- for column in columns %}
        {%- for image in ['row', 'before'] %}
        {%- set value = _redshift_value('imaged.' ~ image ~ '_image', column['source_names']) %}
        {%- set has_text = column['type']['name'] in ['varchar', 'decimal'] %}
        {%- set text = _redshift_text(value, column['type']) if has_text else _redshift_scalar(value) %},
        case when {{ _redshift_is_unavailable(value) }} then '{{ unavailable_forms()[0] }}'
            else {{ _redshift_short(text, _longest_text(column['type'])) }}
        end as {{ image }}__{{ column['name'] }}
        {%- if has_text %},
        {{ _redshift_is_no_text(value, column['type']) }} as {{ image }}_is_other__{{ column['name'] }}
        {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from images as imaged
    left join undeclared
        on
            imaged._cdc_incarnation = undeclared._cdc_incarnation
            and imaged.kafka_partition = undeclared.kafka_partition
            and imaged.kafka_offset = undeclared.kafka_offset
)
{% endmacro %}

{#- SQL: what the image has under the first of the names that it has; a null counts. -#}
{% macro _redshift_value(image, names) -%}
    {%- if names | length == 1 -%}
    {{ image }}.{{ quoted(names[0]) }}
    {%- else -%}
    case
        {%- for name in names %}
        when json_typeof({{ image }}.{{ quoted(name) }}) is not null then {{ image }}.{{ quoted(name) }}
        {%- endfor %}
    end
    {%- endif -%}
{%- endmacro %}

{#-
  SQL: a JSON scalar as text; null for absent and JSON null. What no lexical form takes keeps a mark
  that none takes either: a number with an exponent (a float in a SUPER), an object, an array.
-#}
{% macro _redshift_scalar(value) -%}
    case json_typeof({{ value }})
        when 'string' then {{ _redshift_string(value) }}
        when 'number' then case when is_float({{ value }}) then 'float' else json_serialize({{ value }}) end
        when 'boolean' then json_serialize({{ value }})
        when 'object' then '{}'
        when 'array' then '[]'
    end
{%- endmacro %}

{#-
  How many characters of a column's text decide: what is longer than any value of its type stays longer.
  A float has no longest text.
-#}
{% macro _longest_text(type) %}
    {% do return(none if type['from_float'] else type['length'] + 1 if type['length'] else 64) %}
{% endmacro %}

{#- SQL: the text's beginning in a column no wider than that; Redshift keeps room for all of a varchar(65535). -#}
{% macro _redshift_short(text, characters=64) -%}
    {%- if characters is none or varchar_length(characters) == 65535 -%}
    {{ text }}
    {%- else -%}
    cast(left({{ text }}, {{ characters }}) as varchar({{ varchar_length(characters) }}))
    {%- endif -%}
{%- endmacro %}

{#- SQL: the text of a JSON string, null for anything else. -#}
{% macro _redshift_string(value) -%}
    case when json_typeof({{ value }}) = 'string' and not {{ _redshift_has_nul(value) }}
        then cast({{ value }} as varchar(65535))
    end
{%- endmacro %}

{#- SQL: the text of a JSON value, also of one that is no string, as the DuckDB body has it; else null. -#}
{% macro _redshift_text(value, type) -%}
    case when json_typeof({{ value }}) = 'string' then {{ _redshift_string(value) }}
        when {{ _redshift_stands_for_text(value, type) }} then json_serialize({{ value }})
    end
{%- endmacro %}

{% macro _redshift_stands_for_text(value, type) -%}
    {%- set text = 'json_serialize(' ~ value ~ ')' -%}
    case json_typeof({{ value }})
        when 'number' then {{ 'true' if type['from_float'] else matches(text, whole_number_form()) }}
        {%- if type['name'] == 'varchar' %}
        when 'boolean' then false
        when 'null' then false
        when 'string' then false
        else
            case when json_size({{ value }}) <= 65535
                then not ({{ _redshift_bare(text) }} ~ '{{ spelt_differently_form() }}')
                else false
            end
        {%- else %}
        else false
        {%- endif %}
    end
{%- endmacro %}

{#- Boolean SQL: neither a JSON null nor a text that every engine can hold (none holds U+0000). -#}
{% macro _redshift_is_no_text(value, type) -%}
    coalesce(
        (
            json_typeof({{ value }}) not in ('string', 'null')
            and not {{ _redshift_stands_for_text(value, type) }}
        )
        or (json_typeof({{ value }}) = 'string' and {{ _redshift_has_nul(value) }}),
        false
    )
{%- endmacro %}

{#- JSON_SERIALIZE fails above 65,535 bytes, escapes included, so only shorter values are looked at. -#}
{% macro _redshift_has_nul(value) -%}
    case
        when json_size({{ value }}) > 65535 then false
        when strpos(json_serialize({{ value }}), '\\u0000') = 0 then false
        else json_serialize({{ value }}) ~ '(^|[^\\\\])(\\\\\\\\)*\\\\u0000'
    end
{%- endmacro %}

{#- Boolean SQL, never null: the value stands for one that was left out. -#}
{% macro _redshift_is_unavailable(value) -%}
    {%- set forms = "'" ~ unavailable_forms() | join("', '") ~ "'" -%}
    {%- set marks = '[[:space:]"]|[.]0+' -%}
    case
        when not imaged.names_unavailable then false
        when json_typeof({{ value }}) = 'string'
            then regexp_replace(cast({{ value }} as varchar(65535)), '{{ marks }}', '') in ({{ forms }})
        when json_typeof({{ value }}) in ('array', 'object') and json_size({{ value }}) <= 400
            then regexp_replace(json_serialize({{ value }}), '{{ marks }}', '') in ({{ forms }})
        else false
    end
{%- endmacro %}

{#- SQL: JSON text without the contents of its strings. PCRE goes one call deeper for each turn of a group: one an escape. -#}
{% macro _redshift_bare(text) -%}
    regexp_replace({{ text }}, '"[^"\\\\]*(\\\\.[^"\\\\]*)*"', '', 1, 'p')
{%- endmacro %}

{#- Boolean SQL: the bytes are UTF-8 (RFC 3629, section 4), looked at as hexadecimal digits. -#}
{% macro _redshift_is_utf8(value) -%}
    {%- set tail = '[89ab][0-9a-f]' -%}
    lower(from_varbyte({{ value }}, 'hex')) ~ '^(
        {{- '[0-7][0-9a-f]' -}}
        |(c[2-9a-f]|d[0-9a-f]){{ tail -}}
        |e0[ab][0-9a-f]{{ tail -}}
        |(e[1-9abcef]){{ tail }}{{ tail -}}
        |ed[89][0-9a-f]{{ tail -}}
        |f0[9ab][0-9a-f]{{ tail }}{{ tail -}}
        |f[1-3]{{ tail }}{{ tail }}{{ tail -}}
        |f48[0-9a-f]{{ tail }}{{ tail -}}
    )*$'
{%- endmacro %}
