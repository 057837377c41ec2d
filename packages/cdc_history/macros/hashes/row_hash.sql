{#-
  Where a row's texts have more than 24,576 bytes, their own hashes stand for them: escaped, which doubles a text
  at most, they would not fit in the 65,535 bytes of a text on Redshift, and the record would stop every build.
  The values decide, so a declaration that grows changes no hash; narrow columns are not asked.
-#}
{% macro row_hash(columns, prefix='', relation='') -%}
    {%- set parts, hashed, texts, widths = ["''"], ["''"], [], [] -%}
    {%- for column in columns -%}
        {%- set value = (relation ~ '.' if relation else '') ~ adapter.quote(prefix ~ column['name']) -%}
        {%- set name, type = "coalesce('|" ~ column['name'] ~ "=", column['data_type'] | lower -%}
        {%- do parts.append(name ~ "' || " ~ cdc_history.canonical_text(value, type) ~ ", '')") -%}
        {%- if type.startswith(('varchar', 'char', 'text', 'string')) -%}
            {%- do texts.append(value) -%}
            {%- do widths.append(4 * (modules.re.sub('[^0-9]', '', type) or 65535) | int) -%}
            {#- no escape has a 2 -#}
            {%- do hashed.append(name ~ "~2' || md5(" ~ value ~ "), '')") -%}
        {%- else -%}
            {%- do hashed.append(parts[-1]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if widths | sum > 24576 -%}
    case
        when {{ adapter.dispatch('_bytes_of', 'cdc_history')(texts) }} > 24576
            then md5({{ cdc_history.concatenated(hashed) }})
        else md5({{ cdc_history.concatenated(parts) }})
    end
    {%- else -%}
    md5({{ cdc_history.concatenated(parts) }})
    {%- endif -%}
{%- endmacro %}

{#- SQL: how many bytes of UTF-8 the texts have together. -#}
{% macro duckdb___bytes_of(texts) -%} strlen(concat({{ texts | join(', ') }})) {%- endmacro %}
{% macro default___bytes_of(texts) -%}
    {%- for text in texts -%} {{ ' + ' if not loop.first }}coalesce(octet_length({{ text }}), 0) {%- endfor -%}
{%- endmacro %}
