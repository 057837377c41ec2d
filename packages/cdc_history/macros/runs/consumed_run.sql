{#- A build with --empty saves the number of its run negated: nothing is read then, and every run is newer. -#}
{% macro consumed_run(relation=none, incremental=none) -%}
    {%- if (is_incremental() if incremental is none else incremental) -%}
        {{ adapter.dispatch('_consumed_run', 'cdc_history')(cdc_history._consumer_name(relation or this)) }}
    {%- else -%}
        -1
    {%- endif -%}
{%- endmacro %}

{% macro default___consumed_run(consumer) -%}
    coalesce(({{ cdc_history._watermark_sql(consumer) }}), -1)
{%- endmacro %}

{% macro redshift___consumed_run(consumer) -%}
    {%- if execute and cdc_history.invocation_writes() -%}
        {%- set watermark = cdc_history._asked_before('consumed_run of ' ~ consumer, cdc_history._watermark_sql(consumer)) -%}
        {{ -1 if watermark is none else watermark }}
    {%- else -%}
        {{ cdc_history.default___consumed_run(consumer) }}
    {%- endif -%}
{%- endmacro %}

{% macro spark___consumed_run(consumer) %}{{ return(cdc_history.redshift___consumed_run(consumer)) }}{% endmacro %}

{#- Until a run ends, the watermark that it writes stands beside the one before. -#}
{% macro _watermark_sql(consumer) -%}
    select consumed.run_number
    from {{ cdc_history.operations_relation('watermarks') }} as consumed
    where consumed.consumer = '{{ consumer }}'
    order by abs(consumed.run_number) desc
    limit 1
{%- endmacro %}
