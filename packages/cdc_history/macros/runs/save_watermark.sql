{#-
  What each consumer has read. A run holds the only lock, so everything upstream carries at most its
  number: a consumer built in run n has read everything up to n, whatever it reads. One number a
  consumer is enough. It is written in the consumer's own transaction: data and watermark move
  together, and a killed, skipped or deselected node only leaves its watermark behind. The newest counts; the
  end of a run removes those before it, because a transaction that only inserts meets no other one's.

  After certain errors dbt-redshift sends the statement that met them once more, alone, on a new
  connection: what the transaction did before is gone with the old one. So on Redshift a consumer's
  transaction begins with a temporary table, which does not outlive it, and the watermark, its last
  statement, is taken from there: a node is written as a whole, or it fails and the next build catches up.
-#}

{#- Scalar SQL expression: the number of this run; fails in another transaction than that of `this`. -#}
{% macro _run_of_transaction() %}{{ adapter.dispatch('_run_of_transaction', 'cdc_history')() }}{% endmacro %}
{% macro default___run_of_transaction() %}{{ cdc_history.current_run() }}{% endmacro %}
{% macro redshift___run_of_transaction() -%}
    (select began.run_number from {{ this.identifier }}__transaction as began)
{%- endmacro %}

{#-
  Post-hook: `this` has now read everything that earlier runs and this one wrote. A build with --empty has
  read nothing and may have emptied `this`: the next one reads everything.
-#}
{% macro save_watermark() %}
    {% if execute and cdc_history.invocation_writes() %}
        insert into {{ cdc_history.operations_relation('watermarks') }} (consumer, run_number)
        select '{{ cdc_history._consumer_name(this) }}', {{ '-' if flags.EMPTY }}{{ cdc_history._run_of_transaction() }}
    {% endif %}
{% endmacro %}

{% macro _consumer_name(relation) -%}
    {{- relation.schema ~ '.' ~ relation.identifier -}}
{%- endmacro %}
