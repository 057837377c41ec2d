{#-
  SQL: `with` and the CTEs, for what selects from them. Spark writes a CTE out wherever it is named, and where those
  that it names are named twice in turn plans without end: there each is a temporary view, and what would be
  written out more than once is a table, which the end of the run drops.
-#}
{% macro with_steps(ctes) %}{{ return(adapter.dispatch('with_steps', 'cdc_history')(ctes)) }}{% endmacro %}

{% macro default__with_steps(ctes) %}{{ return('with ' ~ ctes) }}{% endmacro %}

{% macro spark__with_steps(ctes) %}
    {% if not (execute and cdc_history.invocation_writes()) %}{{ return('with ' ~ ctes) }}{% endif %}
    {% set re = modules.re %}
    {% set cte = '(?ms)^( *)(\\w+) as \\($(.*?)^\\1\\)(?=\\s*(?:,|\\Z))' %}
    {% set between = re.sub('--[^\\n]*|[\\s,]', '', re.sub(cte, '', ctes)) %}
    {% if between %}{% do exceptions.raise_compiler_error("with_steps: what is no CTE on lines of its own: " ~ between) %}{% endif %}
    {% set sizes = {} %}
    {% for _, name, body in re.findall(cte, ctes) %}
        {% set read = re.findall('\\b(?:from|join) (\\w+)\\b(?! *[.(])', body) %}
        {% set size = namespace(sum=1) %}
        {% for other in read %}{% set size.sum = size.sum + sizes.get(other, 0) %}{% endfor %}
        {% set named = re.findall('\\b(?:from|join) ' ~ name ~ '\\b', ctes) | length %}
        {% if size.sum > 2 and named > 1 %}
            {% do cdc_history.keep_step(name, body) %}
            {% do sizes.update({name: 1}) %}
        {% else %}
            {% do run_query('create or replace temporary view ' ~ name ~ ' as' ~ body) %}
            {% do sizes.update({name: size.sum}) %}
        {% endif %}
    {% endfor %}
    {{ return('') }}
{% endmacro %}

{#- Spark: `query` in a table until the end of the run, which a temporary view gives its `name`. -#}
{% macro keep_step(name, query) %}
    {% set table = this.incorporate(path={'identifier': this.identifier ~ '__step_' ~ name}, type='table') %}
    {% do run_query('create or replace table ' ~ table ~ ' using iceberg as ' ~ query) %}
    {% do run_query('create or replace temporary view ' ~ name ~ ' as select * from ' ~ table) %}
{% endmacro %}

{#- At the end of a run. -#}
{% macro default___drop_steps(results) %}{% endmacro %}
{% macro spark___drop_steps(results) %}
    {% for schema in results | map(attribute='node') | selectattr('resource_type', 'in', ['model', 'snapshot']) | map(attribute='schema') | unique %}
        {% for row in run_query('show tables in ' ~ schema ~ " like '*__step_*'").rows %}
            {% do run_query('drop table ' ~ row[0] ~ '.' ~ row[1] ~ ' purge') %}
        {% endfor %}
    {% endfor %}
{% endmacro %}
