{% macro invocation_writes() %}
    {% do return(flags.WHICH in ['build', 'run', 'snapshot', 'retry']) %}
{% endmacro %}
