{% macro order_totals() %}
    {% set totals = [
        {'name': 'line_count', 'summand': '1', 'data_type': 'bigint'},
        {'name': 'unit_count', 'summand': 'items.quantity', 'data_type': 'bigint'},
        {'name': 'returned_unit_count', 'summand': 'items.returned_quantity', 'data_type': 'bigint'},
    ] %}
    {% for name in [
        'gross_amount', 'discount_amount', 'tax_amount', 'net_amount', 'revenue_amount', 'returned_amount',
        'returned_revenue_amount',
    ] %}
        {% do totals.append({'name': name, 'summand': 'items.' ~ name, 'data_type': 'decimal(38, 2)'}) %}
    {% endfor %}
    {% do return(totals) %}
{% endmacro %}
