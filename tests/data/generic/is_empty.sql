{#-
  The rows of a relation that meet a condition which no row should meet: the audited ones, or with
  `audited_only: false` all, for what somebody has to look at until it is gone.
-#}
{% test is_empty(model, condition='1 = 1', audited_only=true) %}
    select *
    from {{ model }}
    where {{ condition }}{% if audited_only %} and {{ cdc_history.in_audit() }}{% endif %}
{% endtest %}
