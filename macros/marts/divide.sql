{#-
  SQL: numerator / denominator as decimal(precision, scale), rounded half away from zero; null when
  either is null or the denominator is 0. Engines give quotients of decimals as doubles or with a
  scale of their own, so both are made whole numbers first and the quotient is exact on each of them.

  Limits: four decimals of either operand count; |numerator| * 10^scale below 10^33.
-#}
{% macro divide(numerator, denominator, precision, scale) %}
    {%- if scale not in range(0, 5) or precision not in range(scale + 1, 39) -%}
        {%- do exceptions.raise_compiler_error(
            "divide: decimal(" ~ precision ~ ", " ~ scale ~ "); allowed: scale 0 to 4 and precision"
            ~ " from scale + 1 to 38"
        ) -%}
    {%- endif -%}
    {{- return(adapter.dispatch('divide')(numerator, denominator, precision, scale)) -}}
{% endmacro %}

{% macro duckdb__divide(numerator, denominator, precision, scale) -%}
    {%- set whole = "cast(abs(cast({} as decimal(38, 4))) * 10000 as hugeint)" -%}
    {%- set dividend = '(2 * ' ~ whole.format(numerator) ~ ' * ' ~ 10 ** scale ~ ')' -%}
    {%- set divisor = whole.format(denominator) -%}
    cast(
        case when {{ denominator }} <> 0 then
            cast(({{ dividend }} + {{ divisor }}) // (2 * {{ divisor }}) as decimal(38, 0))
            * {{ _unit(scale) }}
            * case when ({{ numerator }} < 0) = ({{ denominator }} < 0) then 1 else -1 end
        end as decimal({{ precision }}, {{ scale }})
    )
{%- endmacro %}

{#- The remainder is taken off first: what is left divides exactly at whatever scale the engine picks. -#}
{% macro redshift__divide(numerator, denominator, precision, scale) -%}
    {%- set whole = "cast(abs(cast({} as decimal(38, 4))) * 10000 as decimal(38, 0))" -%}
    {%- set dividend = 'cast(2 * ' ~ whole.format(numerator) ~ ' * ' ~ 10 ** scale ~ ' as decimal(38, 0))' -%}
    {%- set divisor = whole.format(denominator) -%}
    {%- set twice = 'cast(2 * ' ~ divisor ~ ' as decimal(38, 0))' -%}
    {%- set sum = 'cast(' ~ dividend ~ ' + ' ~ divisor ~ ' as decimal(38, 0))' -%}
    cast(
        case when {{ denominator }} <> 0 then
            cast(({{ sum }} - mod({{ sum }}, {{ twice }})) / {{ twice }} as decimal(38, 0))
            * {{ _unit(scale) }}
            * case when ({{ numerator }} < 0) = ({{ denominator }} < 0) then 1 else -1 end
        end as decimal({{ precision }}, {{ scale }})
    )
{%- endmacro %}

{% macro spark__divide(numerator, denominator, precision, scale) %}{{ return(redshift__divide(numerator, denominator, precision, scale)) }}{% endmacro %}

{#- 1 in the last place of a decimal with `scale` decimals. -#}
{% macro _unit(scale) -%}
    {%- if scale == 0 -%} 1
    {%- else -%} cast(0.{{ '0' * (scale - 1) }}1 as decimal({{ scale + 1 }}, {{ scale }}))
    {%- endif -%}
{%- endmacro %}
