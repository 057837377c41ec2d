{#-
  Models whose rows can vanish (dimension versions, groups of an aggregate) are replaced by whole keys. The
  pre-hook keeps the touched keys in a temporary table, which ends with the connection, and empties them in
  the transaction that then appends what they have now. The touched keys drive the delete, so a key that
  has no rows any more is emptied too.
-#}
{% macro delete_touched(columns, touched) %}
    {% if is_incremental() %}
        create temporary table {{ _touched_relation() }} as {{ touched }};
        delete from {{ this }}
        where ({{ columns | join(', ') }}) in (
            select {{ columns | join(', ') }} from {{ _touched_relation() }}
        )
    {% endif %}
{% endmacro %}

{% macro touched_keys(touched) -%}
    {%- set from_hook = execute and cdc_history.invocation_writes() and model.resource_type == 'model' -%}
    select found.*
    from {{ _touched_relation() if from_hook else '(' ~ touched ~ ')' }} as found
{%- endmacro %}

{% macro _touched_relation() -%} {{ this.identifier }}__touched {%- endmacro %}
