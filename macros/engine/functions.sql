{#- What the engines spell differently. One public macro an expression, bodies side by side. -#}

{#- Boolean SQL: all of `text` matches the regular expression `form`; null for null. -#}
{% macro matches(text, form) %}{{ return(adapter.dispatch('matches')(text, form)) }}{% endmacro %}
{% macro duckdb__matches(text, form) -%} regexp_full_match({{ text }}, '{{ form }}') {%- endmacro %}
{% macro spark__matches(text, form) -%} regexp_like({{ text }}, '^({{ form }})\\z') {%- endmacro %}
{% macro redshift__matches(text, form) -%} {{ text }} ~ '^({{ form }})$' {%- endmacro %}

{#- A name as an identifier, whatever is in it. -#}
{% macro quoted(name) %}{{ return(adapter.dispatch('quoted')(name)) }}{% endmacro %}
{% macro default__quoted(name) -%} "{{ name | replace('"', '""') }}" {%- endmacro %}
{% macro spark__quoted(name) -%} `{{ name | replace('`', '``') }}` {%- endmacro %}

{#- Texts as a list in SQL, without its brackets. -#}
{% macro text_literals(texts) %}
    {%- set literals = [] %}
    {%- for text in texts %}{% do literals.append(cdc_history.text_literal(text)) %}{% endfor %}
    {{- literals | join(', ') }}
{%- endmacro %}

{#- How often the regular expression is found in `text`. -#}
{% macro count_matches(text, form) %}{{ return(adapter.dispatch('count_matches')(text, form)) }}{% endmacro %}
{% macro duckdb__count_matches(text, form) -%} len(regexp_extract_all({{ text }}, '{{ form }}')) {%- endmacro %}
{% macro spark__count_matches(text, form) -%} regexp_count({{ text }}, '{{ form }}') {%- endmacro %}
{% macro redshift__count_matches(text, form) -%} regexp_count({{ text }}, '{{ form }}') {%- endmacro %}

{#- A table's name as Debezium has it in that of a topic. -#}
{% macro in_topic(name) %}{{ return(adapter.dispatch('in_topic')(name)) }}{% endmacro %}
{% macro duckdb__in_topic(name) -%} regexp_replace({{ name }}, '[^A-Za-z0-9._-]', '_', 'g') {%- endmacro %}
{% macro spark__in_topic(name) -%} regexp_replace({{ name }}, '[^A-Za-z0-9._-]', '_') {%- endmacro %}
{% macro redshift__in_topic(name) -%} regexp_replace({{ name }}, '[^A-Za-z0-9._-]', '_') {%- endmacro %}

{#- The first group of the regular expression in `text`; null when it does not match. -#}
{% macro first_match(text, form) %}{{ return(adapter.dispatch('first_match')(text, form)) }}{% endmacro %}
{% macro duckdb__first_match(text, form) -%}
    nullif(regexp_extract({{ text }}, '{{ form }}', 1), '')
{%- endmacro %}
{% macro spark__first_match(text, form) -%}
    nullif(regexp_extract({{ text }}, '{{ form | replace("\\", "\\\\") }}', 1), '')
{%- endmacro %}
{% macro redshift__first_match(text, form) -%}
    nullif(regexp_substr({{ text }}, '{{ form | replace("\\", "\\\\") }}', 1, 1, 'e'), '')
{%- endmacro %}

{#- A non-negative whole number as 16 lower-case hexadecimal digits. -#}
{% macro hex16(number) %}{{ return(adapter.dispatch('hex16')(number)) }}{% endmacro %}
{% macro duckdb__hex16(number) -%} printf('%016x', cast({{ number }} as bigint)) {%- endmacro %}
{% macro spark__hex16(number) -%} printf('%016x', cast({{ number }} as bigint)) {%- endmacro %}
{% macro redshift__hex16(number) -%} lpad(to_hex(cast({{ number }} as bigint)), 16, '0') {%- endmacro %}

{#- Milliseconds since 1970 as a timestamp in UTC. -#}
{% macro from_epoch_ms(milliseconds) %}{{ return(adapter.dispatch('from_epoch_ms')(milliseconds)) }}{% endmacro %}
{% macro duckdb__from_epoch_ms(milliseconds) -%}
    make_timestamp(cast({{ milliseconds }} as bigint) * 1000)
{%- endmacro %}
{% macro spark__from_epoch_ms(milliseconds) -%}
    cast(timestamp_millis(cast({{ milliseconds }} as bigint)) as timestamp_ntz)
{%- endmacro %}
{% macro redshift__from_epoch_ms(milliseconds) -%}
    dateadd(millisecond, cast({{ milliseconds }} as bigint), cast('1970-01-01' as timestamp))
{%- endmacro %}

{#-
  The timestamp of a text of its form (lexical_forms.sql) without an offset; six digits of its fraction stay.
  DuckDB takes the Z behind a time, and cuts the fraction, itself.
-#}
{% macro without_offset(text) %}{{ return(adapter.dispatch('without_offset')(text)) }}{% endmacro %}
{% macro duckdb__without_offset(text) -%}
    cast(case when length({{ text }}) = 11 then left({{ text }}, 10) else {{ text }} end as timestamp)
{%- endmacro %}
{% macro spark__without_offset(text) %}{{ return(redshift__without_offset(text)) }}{% endmacro %}
{% macro redshift__without_offset(text) -%}
    cast(substring(replace({{ text }}, 'Z', ''), 1, 26) as timestamp)
{%- endmacro %}

{#- The moment in UTC of a text with a time and an offset; six digits of its fraction stay. -#}
{% macro offset_to_utc(text) %}{{ return(adapter.dispatch('offset_to_utc')(text)) }}{% endmacro %}
{% macro duckdb__offset_to_utc(text) -%} timezone('UTC', cast({{ text }} as timestamptz)) {%- endmacro %}
{% macro spark__offset_to_utc(text) -%}
    cast(left(left({{ text }}, length({{ text }}) - 6), 26) as timestamp)
    + make_interval(
        0, 0, 0, 0, 0,
        case when left(right({{ text }}, 6), 1) = '-' then 1 else -1 end
        * (cast(left(right({{ text }}, 5), 2) as int) * 60 + cast(right({{ text }}, 2) as int))
    )
{%- endmacro %}
{% macro redshift__offset_to_utc(text) -%}
    dateadd(
        minute,
        case when left(right({{ text }}, 6), 1) = '-' then 1 else -1 end
        * (cast(left(right({{ text }}, 5), 2) as bigint) * 60 + cast(right({{ text }}, 2) as bigint)),
        cast(left(left({{ text }}, length({{ text }}) - 6), 26) as timestamp)
    )
{%- endmacro %}

{#-
  The moment in UTC of a zone's local time. Of an hour that a zone has twice the second one, of one that it
  skips what the time would be without that.
-#}
{% macro local_to_utc(local, zone) %}{{ return(adapter.dispatch('local_to_utc')(local, zone)) }}{% endmacro %}
{% macro duckdb__local_to_utc(local, zone) -%} timezone('UTC', timezone('{{ zone }}', {{ local }})) {%- endmacro %}
{% macro spark__local_to_utc(local, zone) -%} convert_timezone('{{ zone }}', 'UTC', {{ local }}) {%- endmacro %}
{% macro redshift__local_to_utc(local, zone) -%} convert_timezone('{{ zone }}', 'UTC', {{ local }}) {%- endmacro %}

{#- Length in bytes of UTF-8. -#}
{% macro byte_length(text) %}{{ return(adapter.dispatch('byte_length')(text)) }}{% endmacro %}
{% macro duckdb__byte_length(text) -%} strlen({{ text }}) {%- endmacro %}
{% macro default__byte_length(text) -%} octet_length({{ text }}) {%- endmacro %}

{#-
  How many of a text's characters, at most `length`, UTF-16 writes as two: those of four bytes. Redshift looks
  at the bytes as hexadecimal digits, of 32,764 at a time; the last pair that it finds is the one put behind them.
-#}
{% macro surrogate_pairs(text, length) %}{{ return(adapter.dispatch('surrogate_pairs')(text, length)) }}{% endmacro %}
{% macro duckdb__surrogate_pairs(text, length) -%}
    (length({{ text }}) - length(regexp_replace({{ text }}, '[\x{10000}-\x{10FFFF}]', '', 'g')))
{%- endmacro %}
{% macro spark__surrogate_pairs(text, length) -%}
    (length({{ text }}) - length(regexp_replace({{ text }}, '[\\x{10000}-\\x{10FFFF}]', '')))
{%- endmacro %}
{% macro redshift__surrogate_pairs(text, length) -%}
    {%- for start in range(1, length + 1, 8191) %}
    {{- ' + ' if not loop.first }}
    {%- set part = text if length <= 8191 else 'substring(' ~ text ~ ', ' ~ start ~ ', 8191)' -%}
    regexp_count(lower(from_varbyte(cast({{ part }} as varbyte), 'hex')) || 'ff', '([0-9a-e][0-9a-f])*f[0-9a-f]') - 1
    {%- endfor %}
{%- endmacro %}

{#- The n of varchar(n) that holds so many characters: Redshift counts bytes, up to four a character. -#}
{% macro varchar_length(characters) %}{{ return(adapter.dispatch('varchar_length')(characters)) }}{% endmacro %}
{% macro default__varchar_length(characters) %}{{ return(characters) }}{% endmacro %}
{% macro redshift__varchar_length(characters) %}{{ return([characters * 4, 65535] | min) }}{% endmacro %}

{#- Statement: an empty table with the columns of another one; on Redshift its distribution and sort too. -#}
{% macro create_table_like(new, old) %}{{ return(adapter.dispatch('create_table_like')(new, old)) }}{% endmacro %}
{% macro default__create_table_like(new, old) -%} create table {{ new }} as select * from {{ old }} where false {%- endmacro %}
{% macro redshift__create_table_like(new, old) -%} create table {{ new }} (like {{ old }}) {%- endmacro %}

{#- How a table of a node with this configuration lies, in its CREATE TABLE. -#}
{% macro laid_out(config) %}{{ return(adapter.dispatch('laid_out')(config)) }}{% endmacro %}
{% macro default__laid_out(config) %}{% endmacro %}
{% macro redshift__laid_out(config) -%} {{ dist(config.get("dist")) }} {{ sort(none, config.get("sort")) }} {%- endmacro %}

{#- The engine's name for a float of eight bytes. -#}
{% macro double_type() %}{{ return(adapter.dispatch('double_type')()) }}{% endmacro %}
{% macro default__double_type() %}{{ return('double precision') }}{% endmacro %}
{% macro spark__double_type() %}{{ return('double') }}{% endmacro %}

{#- The type of a column of small numbers: Iceberg has none of two bytes. -#}
{% macro smallint_type() %}{{ return(adapter.dispatch('smallint_type')()) }}{% endmacro %}
{% macro default__smallint_type() %}{{ return('smallint') }}{% endmacro %}
{% macro spark__smallint_type() %}{{ return('integer') }}{% endmacro %}
