"""The shop's database: the ten declared tables, and the audit that row changes cannot avoid.

`audit.changes` is the truth that `lakehouse reconcile` compares the warehouse with. Triggers write
it inside the shop's own transactions, so a rolled-back change leaves nothing, and Debezium does not
capture it.
"""

from __future__ import annotations

from contextlib import closing

import psycopg2

from ingestion.declarations import Column, Declarations, Table, load
from ingestion.errors import TerminalError

_AUDIT = """
create schema if not exists audit;
create sequence if not exists audit.change_sequence;
create table if not exists audit.changes (
    sequence bigint not null default nextval('audit.change_sequence'),
    transaction_id xid8 not null,
    table_name text not null,
    operation text not null check (operation in ('c', 'u', 'd')),
    key jsonb not null,
    old_row jsonb,
    new_row jsonb,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (table_name, sequence)
) partition by list (table_name);
comment on table audit.changes is
    'Every row change of the shop in the order in which it was made: within a key that is the '
    'order of commits, because a row lock is held until its transaction ends.';
comment on column audit.changes.key is
    'Primary key after the change (of a delete: before it). A primary-key update is one row with '
    'operation u whose old_row has another key.';
create or replace function audit.refuse_truncate() returns trigger language plpgsql as $$
begin
    raise exception 'truncate leaves no row changes to audit or capture: delete from % instead',
        tg_relid::regclass;
end $$;
"""

# What the shop's own queries look rows up by.
_INDEXES = """
create index if not exists orders_of_customer on public.orders (customer_id);
create index if not exists payments_of_order on public.payments (order_id);
"""

# One call per statement, over its transition tables, is several times cheaper than one per row.
# Both transition tables of an update are filled row by row side by side, so a row's place pairs
# its images even where the primary key changes. (Pairing by unnest rather than by a join, whose
# plan would depend on the session's settings.)
_TRIGGER = """
create table if not exists audit.changes_{table} partition of audit.changes
    for values in ('{table}');
create or replace function audit.record_{table}() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into audit.changes (transaction_id, table_name, operation, key, new_row)
        select pg_current_xact_id(), '{table}', 'c', {key}, to_jsonb(image)
        from new_rows as image;
    elsif tg_op = 'DELETE' then
        insert into audit.changes (transaction_id, table_name, operation, key, old_row)
        select pg_current_xact_id(), '{table}', 'd', {key}, to_jsonb(image)
        from old_rows as image;
    else
        insert into audit.changes (transaction_id, table_name, operation, key, old_row, new_row)
        select pg_current_xact_id(), '{table}', 'u', {new_key}, pair.old_row, pair.new_row
        from unnest(
            (select array_agg(to_jsonb(image)) from old_rows as image),
            (select array_agg(to_jsonb(image)) from new_rows as image)
        ) with ordinality as pair (old_row, new_row, place)
        order by pair.place;
    end if;
    return null;
end $$;
create or replace trigger audit_insert after insert on public.{table}
    referencing new table as new_rows for each statement execute function audit.record_{table}();
create or replace trigger audit_update after update on public.{table}
    referencing old table as old_rows new table as new_rows
    for each statement execute function audit.record_{table}();
create or replace trigger audit_delete after delete on public.{table}
    referencing old table as old_rows for each statement execute function audit.record_{table}();
create or replace trigger refuse_truncate before truncate on public.{table}
    for each statement execute function audit.refuse_truncate();
"""


def create(dsn: str, declarations: Declarations | None = None) -> None:
    """Create the tables, their audit triggers and REPLICA IDENTITY FULL; repeating changes nothing.

    Args:
        dsn: libpq connection string of the shop's database, with the right to create schemas.
        declarations: by default those of the project.

    Raises:
        TerminalError: the server does not keep commit times, which the audit needs.
    """
    declared = declarations or load()
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("show track_commit_timestamp")
        row = cursor.fetchone()
        if row is None or row[0] != "on":
            raise TerminalError(
                "the shop's PostgreSQL has track_commit_timestamp off: set it to on in "
                "postgresql.conf and restart the server, the audit needs commit times"
            )
        cursor.execute("set local client_min_messages = warning")
        cursor.execute(_AUDIT)
        for table in declared.tables:
            cursor.execute(table_ddl(table))
            cursor.execute(_trigger_ddl(table))
        cursor.execute(_INDEXES)


def table_ddl(table: Table) -> str:
    """The statements that create `table` in schema public as it is declared."""
    columns = [
        f"    {column.name} {sql_type(column)}{_not_null(column)}" for column in table.columns
    ]
    body = ",\n".join([*columns, f"    primary key ({', '.join(table.primary_key)})"])
    return (
        f"create table if not exists public.{table.name} (\n{body}\n);\n"
        f"alter table public.{table.name} replica identity full;"
    )


def sql_type(column: Column) -> str:
    """PostgreSQL's spelling of a declared type; times are UTC without a time zone."""
    if column.type.name == "timestamp":
        return "timestamp(6) without time zone"
    return str(column.type)


def _not_null(column: Column) -> str:
    return "" if column.nullable else " not null"


def _trigger_ddl(table: Table) -> str:
    key = ", ".join(f"'{name}', image.{name}" for name in table.primary_key)
    new_key = ", ".join(f"'{name}', pair.new_row -> '{name}'" for name in table.primary_key)
    return _TRIGGER.format(
        table=table.name,
        key=f"jsonb_build_object({key})",
        new_key=f"jsonb_build_object({new_key})",
    )
