{#-
  Pre-hook of models whose rows can vanish (dimension versions, groups of an aggregate): empties the
  touched keys of `this`, in the transaction that then appends what they have now. The relation of
  touched keys drives the delete, so a key that has no rows any more is emptied too.

  columns  names of the key's columns, in `this` and in `touched`
  touched  SQL: a query of the touched keys; the model computes the same ones again
-#}
{% macro delete_touched(columns, touched) %}
    {% if is_incremental() %}
        delete from {{ this }}
        where ({{ columns | join(', ') }}) in (
            select {{ columns | join(', ') }} from ({{ touched }}) as touched
        )
    {% endif %}
{% endmacro %}
