{% macro consumed_run(relation=none, incremental=none) -%}
    {%- if (is_incremental() if incremental is none else incremental) -%}
        coalesce(
            (
                select consumed.run_number
                from {{ cdc_history.operations_relation('watermarks') }} as consumed
                where consumed.consumer = '{{ cdc_history._consumer_name(relation or this) }}'
            ),
            -1
        )
    {%- else -%}
        -1
    {%- endif -%}
{%- endmacro %}
