{#-
  The position of a change within its source's epoch: fixed-width lower-case text that orders the
  changes of a row bytewise, null when the record has none (docs/semantics.md, "Order").

  SQL Server: commit_lsn, change_lsn, event_serial_no; an initial snapshot read has no change_lsn and
  gets zeros, so it precedes every change of its commit. PostgreSQL: the LSN of the last commit before
  the transaction (source.sequence), the record's own LSN, the place in the transaction; a record's
  LSN alone would put a transaction that stayed open behind a snapshot read made meanwhile. A read that
  names the last commit came before every change that names the same one.
-#}
{% macro position_expression(events) %}
    {% set zeros = '00000000:00000000:0000' %}
    {% set lsn_form = _lsn_form() %}
    {% set number_form = '[0-9]{1,18}' %}
    {% set pg_lsn_form = '[1-9][0-9]{0,17}' %}
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
                {{ matches(events ~ '.lsn', pg_lsn_form) }}
                and {{ matches('coalesce(' ~ events ~ ".total_order, '0')", number_form) }}
                then
                    {{ hex16("coalesce(" ~ _last_commit_lsn(events) ~ ", " ~ events ~ ".lsn)") }}
                    || ':' || case
                        when {{ events }}.op = 'r' and {{ _last_commit_lsn(events) }} is not null
                            then '{{ '0' * 16 }}'
                        else {{ hex16(events ~ '.lsn') }}
                    end
                    || ':' || {{ hex16("coalesce(" ~ events ~ ".total_order, '0')") }}
        end
    {% endif %}
{% endmacro %}

{#-
  Boolean SQL: the commit part of the position is known. PostgreSQL's connector knows no earlier commit
  in the first transaction after a snapshot (source.sequence begins with null), so that transaction's
  own LSNs stand in, which may lie before a read that was made while it was open.
-#}
{% macro commit_is_known(events) %}
    {% if source_connector() == 'sqlserver' %}
        true
    {% else %}
        {{ events }}.op = 'r' or {{ _last_commit_lsn(events) }} is not null
    {% endif %}
{% endmacro %}

{#-
  Boolean SQL: an accepted change is an absence, a delete at the place of an initial snapshot's read. No
  connector writes one: what it streams has a place in its commit, and on PostgreSQL one behind that commit.
-#}
{% macro is_absence() -%}
    (
        _cdc_op = 'd'
        and right(_cdc_position, 17) = ':{{ '0' * 16 }}'
        {%- if source_connector() == 'postgresql' %}
        and _cdc_commit_known
        and substring(_cdc_position, 6, 16) = substring(_cdc_position, 23, 16)
        {%- endif %}
    )
{%- endmacro %}

{% macro _last_commit_lsn(events) -%}
    {{ first_match(events ~ '.sequence', '^\\["([1-9][0-9]{0,17})"') }}
{%- endmacro %}

{#-
  SQL: the epoch of the source, which leads its positions; null when no prefix that is declared names it, or
  not that of the tenant whose topic it is.
-#}
{% macro epoch_expression(events, origins) %}
        case
            {% for of_tenant in origins['topics'] %}
            when {{ events }}.kafka_topic = '{{ of_tenant['topic'] }}' and {{ events }}.source_name = '{{ of_tenant['prefix'] }}'
                then '{{ '%04d' % of_tenant['epoch'] }}'
            {% else -%}
            {% for prefix, epoch in origins['epochs'].items() %}
            when {{ events }}.source_name = '{{ prefix }}' then '{{ '%04d' % epoch }}'
            {% endfor %}
            {%- endfor %}
        end
{%- endmacro %}

{#- SQL: the tenant whose topic a record was read from; null for a topic that is nobody's. -#}
{% macro tenant_expression(events, origins) -%}
        case {{ events }}.kafka_topic
            {%- for of_tenant in origins['topics'] %}
            when '{{ of_tenant['topic'] }}' then '{{ of_tenant['tenant'] }}'
            {%- endfor %}
        end
{%- endmacro %}

{#-
  Boolean SQL: the change at `_cdc_position` (epoch, colon, position) was committed at or before `commit`,
  a SQL Server commit_lsn or a PostgreSQL LSN at which a transaction ended (decimal or X/Y); none when it
  is neither. PostgreSQL's position leads with the end of the transaction before, so a transaction is in
  if that lies before its end.
-#}
{% macro committed_by(commit) %}
    {% set re = modules.re %}
    {% if source_connector() == 'sqlserver' and re.fullmatch(_lsn_form(), commit) %}
        {% do return("substring(_cdc_position, 6, 22) <= '" ~ commit ~ "'") %}
    {% elif source_connector() == 'postgresql' and re.fullmatch('[0-9]+', commit) %}
        {% do return("substring(_cdc_position, 6, 16) < '" ~ '%016x' % (commit | int) ~ "'") %}
    {% elif source_connector() == 'postgresql' and re.fullmatch('[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}', commit) %}
        {% set halves = commit.lower().split('/') %}
        {% do return(
            "substring(_cdc_position, 6, 16) < '" ~ halves[0].zfill(8) ~ halves[1].zfill(8) ~ "'") %}
    {% endif %}
    {% do return(none) %}
{% endmacro %}

{% macro _lsn_form() %}{% do return('[0-9a-f]{8}:[0-9a-f]{8}:[0-9a-f]{4}') %}{% endmacro %}

{#- SQL: epoch and commit LSN, the part of a position of SQL Server that all changes of a commit share. -#}
{% macro commit_of_position(position) -%}
    substring({{ position }}, 1, 27)
{%- endmacro %}
