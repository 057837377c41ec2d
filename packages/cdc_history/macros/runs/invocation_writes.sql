{#- Whether this invocation is a command that builds models or snapshots. -#}
{% macro invocation_writes() %}
    {% do return(flags.WHICH in ['build', 'run', 'snapshot', 'retry']) %}
{% endmacro %}
