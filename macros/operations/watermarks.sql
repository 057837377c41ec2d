{#-
  What each consumer has read. A run holds the only lock, so everything upstream carries at most its
  number: a consumer built in run n has read everything up to n, whatever it reads. One number a
  consumer is enough. It is written in the consumer's own transaction: data and watermark move
  together, and a killed, skipped or deselected node only leaves its watermark behind.
-#}

{#- Post-hook: `this` has now read everything that earlier runs and this one wrote. -#}
{% macro save_watermark() %}
    {% if execute and not flags.EMPTY %}
        delete from {{ operations_relation('watermarks') }}
        where consumer = '{{ consumer_name(this) }}';
        insert into {{ operations_relation('watermarks') }} (consumer, run_number)
        select '{{ consumer_name(this) }}', {{ current_run() }}
    {% endif %}
{% endmacro %}

{#-
  Scalar SQL expression: the highest run that the consumer `relation` has read; -1 when everything
  has to be read (first build, full refresh).
-#}
{% macro consumed_run(relation=none, incremental=none) -%}
    {%- if (is_incremental() if incremental is none else incremental) -%}
        coalesce(
            (
                select consumed.run_number
                from {{ operations_relation('watermarks') }} as consumed
                where consumed.consumer = '{{ consumer_name(relation or this) }}'
            ),
            -1
        )
    {%- else -%}
        -1
    {%- endif -%}
{%- endmacro %}

{% macro consumer_name(relation) -%}
    {{- relation.schema ~ '.' ~ relation.identifier -}}
{%- endmacro %}
