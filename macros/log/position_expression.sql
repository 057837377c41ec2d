{#-
  The position of a change within its source's epoch: fixed-width lower-case text that orders the
  changes of a row bytewise, null when the record has none (docs/semantics.md, "Order").

  SQL Server: commit_lsn, change_lsn, event_serial_no; an initial snapshot read has no change_lsn and
  gets zeros, so it precedes every change of its commit. PostgreSQL: the LSN of the last commit before
  the transaction (source.sequence), the record's own LSN, the place in the transaction; a record's
  LSN alone would put a transaction that stayed open behind a snapshot read made meanwhile.
-#}
{% macro position_expression(events) %}
    {% set zeros = '00000000:00000000:0000' %}
    {% set lsn_form = '[0-9a-f]{8}:[0-9a-f]{8}:[0-9a-f]{4}' %}
    {% set number_form = '[0-9]{1,18}' %}
    {% if source_connector() == 'sqlserver' %}
        case
            when
                {{ matches(events ~ '.commit_lsn', lsn_form) }}
                and {{ matches(events ~ '.change_lsn', lsn_form) }}
                and {{ matches(events ~ '.event_serial_no', number_form) }}
                then
                    {{ events }}.commit_lsn || ':' || {{ events }}.change_lsn
                    || ':' || {{ hex16(events ~ '.event_serial_no') }}
            when
                {{ events }}.op = 'r'
                and {{ matches(events ~ '.commit_lsn', lsn_form) }}
                and {{ events }}.change_lsn is null
                then {{ events }}.commit_lsn || ':{{ zeros }}:{{ '0' * 16 }}'
        end
    {% else %}
        case
            when
                {{ matches(events ~ '.lsn', number_form) }}
                and {{ matches('coalesce(' ~ events ~ ".total_order, '0')", number_form) }}
                then
                    {{ hex16(
                        "coalesce(" ~ first_match(events ~ '.sequence', '^\\["([0-9]{1,18})"') ~ ", "
                        ~ events ~ ".lsn)"
                    ) }}
                    || ':' || {{ hex16(events ~ '.lsn') }}
                    || ':' || {{ hex16("coalesce(" ~ events ~ ".total_order, '0')") }}
        end
    {% endif %}
{% endmacro %}
