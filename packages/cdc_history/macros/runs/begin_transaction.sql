{#- Pre-hook, before all others: begins the transaction of `this`. -#}
{% macro begin_transaction() %}
    {% if execute and cdc_history.invocation_writes() %}{{ adapter.dispatch('begin_transaction', 'cdc_history')() }}{% endif %}
{% endmacro %}

{% macro default__begin_transaction() %}{% endmacro %}

{#- A snapshot's query is made in its transaction, so what it has to know is asked here, before that begins. -#}
{% macro redshift__begin_transaction() %}
    {% if model.resource_type == 'snapshot' %}{% do cdc_history.consumed_run(this, incremental=true) %}{% endif %}
    create temporary table {{ this.identifier }}__transaction as
    select {{ cdc_history.current_run() }} as run_number
{% endmacro %}
