{#-
  Our invariant: a key finds its row. Under the name of dbt's own test, by which catalogs draw the star.
-#}
{% test relationships(model, column_name, to, field) %}
    select facts.{{ column_name }}
    from {{ model }} as facts
    left join {{ to }} as members
        on facts.{{ column_name }} = members.{{ field }}
    where {{ cdc_history.in_audit('facts._cdc_run') }} and members.{{ field }} is null
{% endtest %}
