{#- Pre-hook, before all others: begins the transaction of `this`. -#}
{% macro begin_transaction() %}
    {% if execute and cdc_history.invocation_writes() %}{{ adapter.dispatch('begin_transaction', 'cdc_history')() }}{% endif %}
{% endmacro %}

{% macro default__begin_transaction() %}{% endmacro %}

{% macro redshift__begin_transaction() %}
    create temporary table {{ this.identifier }}__transaction as
    select {{ cdc_history.current_run() }} as run_number
{% endmacro %}
