{#-
  What an image of a row does not carry (docs/semantics.md, A12): it follows from the declaration and the
  operation, from a column's absence, and from the words that stand for a value that was left out. Of
  values only this is asked: whether both images of a large column are empty.
-#}

{#-
  The forms that Debezium gives to a value that the source's log left out: text, bytes, arrays of texts,
  bytes, UUIDs and numbers, hstore (io.debezium.connector.postgresql.UnchangedToastedPlaceholder; of
  numbers with a point and decimals, github.com/debezium/debezium/pull/7815), without blanks, quotes and a
  fraction of zeros. Where a record is decoded, the first takes the place of all.
-#}
{% macro unavailable_forms() %}
    {% set text, base64 = '__debezium_unavailable_value', 'X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==' %}
    {% do return([
        text,
        base64,
        '[' ~ text ~ ']',
        '[' ~ base64 ~ ']',
        '[b68a35a7-17ad-35b3-af2a-ae46edb4545a]',
        '[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]',
        '{' ~ text ~ ':' ~ text ~ '}',
    ]) %}
{% endmacro %}

{#- Parts of these forms of which every record has one that has a form: what a quick look searches. -#}
{% macro unavailable_signs() %}
    {% set forms = unavailable_forms() %}
    {% do return([forms[0], forms[1], forms[4][1:-1], forms[5][:15], '[95.0,95.0,100.', '["95","95","100', '["95.0']) %}
{% endmacro %}

{#- Boolean SQL, never null: the list (names between commas) has the name. -#}
{% macro is_listed(name, list) -%}
    coalesce(position({{ cdc_history.text_literal(',' ~ name ~ ',') }} in {{ list }}) > 0, false)
{%- endmacro %}

{#-
  SQL: the names of the columns that the row's image does not carry, between commas; null for none.
  `events` is a relation as `decoded_events` gives it.
-#}
{% macro row_lacks(events, table, columns) %}
    {%- set sqlserver = source_connector() == 'sqlserver' %}
    {%- set key_only = not sqlserver and declared_meta(table).get('replica_identity') == 'default' %}
    {%- set conditions = {} %}
    {%- for column in columns if not column['is_key'] %}
    {%- set condition %}
                {{ events }}.row__{{ column['name'] }} = '{{ unavailable_forms()[0] }}'
                or (
                    {{ is_listed(column['source_names'][0], events ~ '.row_missing') }}
                    and {{ events }}.op <> 'c'
                    {{- '' if column['nullable'] else ' and ' ~ events ~ ".op <> 'r'" }}
                )
                or (
                    {{ events }}.op = 'd'
                    {%- if not (key_only or (sqlserver and (column['large'] == 'text' or column['type']['name'] == 'boolean'))) %}
                    and not {{ events }}.row_fits__{{ column['name'] }}
                    {%- endif %}
                )
                {%- if sqlserver and column['large'] %}
                or (
                    {{ events }}.op = 'u'
                    and {{ _is_empty(events ~ '.row__' ~ column['name']) }}
                    and {{ _is_empty(events ~ '.before__' ~ column['name']) }}
                )
                {%- endif %}
    {%- endset %}
    {%- do conditions.update({column['name']: condition}) %}
    {%- endfor %}
    case
        when {{ events }}.is_doubtful or {{ events }}.op = 'd'
            {%- if sqlserver and columns | selectattr('large') | list %} or {{ events }}.op = 'u'{% endif %}
            then {{ cdc_history.names_where(conditions) }}
    end
{% endmacro %}

{#- SQL: the same of the before image; `row_lacks` is in `events`, and a delete has but this image. -#}
{% macro before_lacks(events, table, columns) %}
    {%- set sqlserver = source_connector() == 'sqlserver' %}
    {%- set key_only = not sqlserver and declared_meta(table).get('replica_identity') == 'default' %}
    {%- set doubtful = 'true' if key_only or (sqlserver and columns | selectattr('large') | list)
        else events ~ '.is_doubtful' %}
    {%- set conditions = {} %}
    {%- for column in columns if not column['is_key'] %}
    {%- set condition %}
                {%- if key_only %}true{% else %}
                {{ events }}.before__{{ column['name'] }} = '{{ unavailable_forms()[0] }}'
                or {{ is_listed(column['source_names'][0], events ~ '.before_missing') }}
                {%- if sqlserver and column['large'] %}
                or {{ _is_empty(events ~ '.before__' ~ column['name']) }}
                {%- endif %}
                {%- endif %}
    {%- endset %}
    {%- do conditions.update({column['name']: condition}) %}
    {%- endfor %}
    case
        when {{ events }}.op = 'd' then {{ events }}.row_lacks
        when {{ events }}.op = 'u' and {{ doubtful }}
            then {{ cdc_history.names_where(conditions) }}
    end
{% endmacro %}

{#- SQL: what Debezium itself writes for a value that is never null and that it does not know. -#}
{% macro filler(type) -%}
    {%- set texts = {'varchar': '', 'boolean': 'false', 'date': '1970-01-01', 'timestamp': '1970-01-01T00:00:00Z'} -%}
    {{ typed_value("'" ~ texts.get(type['name'], '0') ~ "'", type) }}
{%- endmacro %}

{#- Boolean SQL: what stands in a large column that was not written, null or the filler of one that is never null. -#}
{% macro _is_empty(text) -%}
    coalesce({{ text }}, '') in ('', '{{ unavailable_forms()[0] }}')
{%- endmacro %}

{#-
  Boolean SQL: there is no key in Kafka, or an object whose names are not those of the declared key; of a
  table without a key, there is one. In JSON
  no text holds a quote that is not escaped, so names are found without parsing.
-#}
{% macro names_another_key(events, columns) %}
    {%- set key_text = events ~ '.key_text' %}
    {%- set keys = columns | selectattr('is_key') | map(attribute='source_names') | list -%}
    {%- set characters = keys | sum(start=[]) | join -%}
    {%- if not keys -%}
    {{ events }}.kafka_key is not null
    {%- elif '"' in characters or '\\' in characters -%}
    {{ events }}.kafka_key is null
    {%- else -%}
    {{ events }}.kafka_key is null or coalesce(
        {{ key_text }} like '{"%'
        and not (
            {{ count_matches(key_text, '[{,]"[^"]+":') }} = {{ keys | length }}
            {%- for names in keys %}
            and (
                {%- for name in names %}
                {{- ' or ' if not loop.first }}position({{ cdc_history.text_literal('{"' ~ name ~ '":') }} in {{ key_text }}) = 1 or position({{ cdc_history.text_literal(',"' ~ name ~ '":') }} in {{ key_text }}) > 0
                {%- endfor -%}
            )
            {%- endfor %}
        ),
        false
    )
    {%- endif -%}
{% endmacro %}
