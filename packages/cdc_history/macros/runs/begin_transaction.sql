{#-
  Pre-hook, before all others: begins the transaction of `this`. Where hooks that come before have begun it, as a log's
  do, it must not read a watermark any more: `reads_watermark=false`.
-#}
{% macro begin_transaction(reads_watermark=true) %}
    {% if execute and cdc_history.invocation_writes() %}{{ adapter.dispatch('begin_transaction', 'cdc_history')(reads_watermark) }}{% endif %}
{% endmacro %}

{% macro default__begin_transaction(reads_watermark) %}{% endmacro %}

{#-
  A snapshot's query is made in its transaction, and so are a mart's other pre-hooks: what they have to know is asked
  here, before that begins.
-#}
{% macro redshift__begin_transaction(reads_watermark) %}
    {% if reads_watermark %}
        {% do cdc_history.consumed_run(this, incremental=true if model.resource_type == 'snapshot' else none) %}
    {% endif %}
    create temporary table {{ this.identifier }}__transaction as
    select {{ cdc_history.current_run() }} as run_number
{% endmacro %}
