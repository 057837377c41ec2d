{#-
  What each consumer has read. A run holds the only lock, so everything upstream carries at most its
  number: a consumer built in run n has read everything up to n, whatever it reads. One number a
  consumer is enough. It is written in the consumer's own transaction: data and watermark move
  together, and a killed, skipped or deselected node only leaves its watermark behind.

  After certain errors dbt-redshift sends the statement that met them once more, alone, on a new
  connection: what the transaction did before is gone with the old one. So on Redshift a consumer's
  transaction begins with a temporary table, which does not outlive it, and the watermark, its last
  statement, is taken from there: a node is written as a whole, or it fails and the next build catches up.
-#}

{#- Pre-hook, before all others: begins the transaction of `this`. -#}
{% macro begin_transaction() %}
    {% if execute and invocation_writes() %}{{ adapter.dispatch('begin_transaction')() }}{% endif %}
{% endmacro %}
{% macro default__begin_transaction() %}{% endmacro %}
{% macro redshift__begin_transaction() %}
    create temporary table {{ this.identifier }}__transaction as
    select {{ current_run() }} as run_number
{% endmacro %}

{#- Scalar SQL expression: the number of this run; fails in another transaction than that of `this`. -#}
{% macro run_of_transaction() %}{{ adapter.dispatch('run_of_transaction')() }}{% endmacro %}
{% macro default__run_of_transaction() %}{{ current_run() }}{% endmacro %}
{% macro redshift__run_of_transaction() -%}
    (select began.run_number from {{ this.identifier }}__transaction as began)
{%- endmacro %}

{#-
  Post-hook: `this` has now read everything that earlier runs and this one wrote. A build with --empty has
  read nothing and may have emptied `this`: the next one reads everything.
-#}
{% macro save_watermark() %}
    {% if execute and invocation_writes() %}
        delete from {{ operations_relation('watermarks') }}
        where consumer = '{{ consumer_name(this) }}';
        {% if not flags.EMPTY %}
        insert into {{ operations_relation('watermarks') }} (consumer, run_number)
        select '{{ consumer_name(this) }}', {{ run_of_transaction() }}
        {% endif %}
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
