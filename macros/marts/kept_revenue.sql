{#-
  SQL: what an order's revenue is after all: less what came back, and nothing where it was cancelled, so that
  nothing is taken away twice (docs/metrics.md).
-#}
{% macro kept_revenue(orders) -%}
    case when {{ orders }}.cancelled_at is null
        then {{ orders }}.revenue_amount - {{ orders }}.returned_revenue_amount else 0
    end
{%- endmacro %}
