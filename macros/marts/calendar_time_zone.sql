{#-
  SQL: the time zone that local days of a store are counted in: the declared one where the engines
  know it, else UTC. An unknown name is data, not a reason to stop the run; a test warns of it.
-#}
{% macro calendar_time_zone(time_zone) -%}
    case
        when {{ time_zone }} in (
            '{{ known_time_zones() | join("', '") }}'
        ) then {{ time_zone }}
        else 'UTC'
    end
{%- endmacro %}
