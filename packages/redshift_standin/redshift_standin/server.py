"""The stand-in as a whole: a PostgreSQL with its books, and the proxy in front of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, Self

import psycopg2
from psycopg2.extensions import cursor, make_dsn
from sqlglot import exp, parse_one

from redshift_standin.books import Books
from redshift_standin.rules import read_table
from redshift_standin.statements import Statements
from redshift_standin.wire import Proxy, Session

DATABASE = "dev"
_SHIMS = Path(__file__).parent / "functions.sql"
_GRANTS = """grant usage on schema redshift, standin to public;
grant select on all tables in schema redshift, pg_catalog to public;
grant select, insert, update, delete on all tables in schema standin to public"""


def system_views_sql() -> Iterator[str]:
    """The system views with the types of their pages; null where the stand-in knows nothing."""
    for name, view in read_table("system_views").items():
        kinds = view["columns"]
        full_name = f"{view.get('schema', 'redshift')}.{name}"
        if "from" not in view:
            columns = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
            yield f"create table {full_name} ({columns})"
            continue
        known = parse_one(view["from"], read="postgres", into=exp.Select).named_selects
        values = {column: f'"{column}"' if column in known else "null" for column in kinds}
        columns = ", ".join(
            f'cast({values[column]} as {kind}) as "{column}"' for column, kind in kinds.items()
        )
        yield f"create view {full_name} as select {columns} from ({view['from']}) as known"


class Postgres(Protocol):
    """A PostgreSQL server on the loopback interface, for the stand-in alone: roles are its own."""

    def dsn(self) -> str:
        """Connection string of the superuser, who logs in with a password."""

    def create_database(self, name: str) -> str:
        """Create a database; returns the superuser's connection string to it."""

    def drop_database(self, name: str) -> None:
        """Drop a database with its sessions."""


class StandIn:
    """A context manager: a database like a new Redshift, with `engineer` as its administrator.

    `isolation` is the database's level; PostgreSQL's "repeatable read" is Redshift's snapshot.
    """

    user = "engineer"

    def __init__(
        self,
        postgres: Postgres,
        buckets: dict[str, Path],
        isolation: Literal["snapshot", "serializable"] = "snapshot",
    ) -> None:
        self._postgres = postgres
        self._level = "repeatable\\ read" if isolation == "snapshot" else isolation
        # the same name each time: dbt keeps it in what it parsed, which all tests share
        self.database = DATABASE
        self.password = secrets.token_hex(12)
        self.passwords = {self.user: self.password}
        self._buckets = buckets
        # what the warehouse's parameter group says; the README
        self.parameters = {"enable_case_sensitive_identifier": "true"}

    def __enter__(self) -> Self:
        self.dsn = self._postgres.create_database(self.database)
        with _cursor(self.dsn) as database:
            database.execute("select 1 from pg_roles where rolname = %s", (self.user,))
            if database.fetchone() is None:
                database.execute(f"create role {self.user} superuser login")
            database.execute("set allow_system_table_mods = on")
            database.execute(_SHIMS.read_text(encoding="utf-8"))
            database.execute(";".join([*system_views_sql(), _GRANTS]))
            database.execute(
                f'alter database {self.database} set search_path = "$user", public, redshift'
            )
            # tables are small and queries long: to compile one costs more than to run it
            database.execute(f"alter database {self.database} set jit = off")
            # r_extra_float_digits: 15 digits of a float8, in a text too
            database.execute(f"alter database {self.database} set extra_float_digits = 0")
        self.books = Books(self.dsn, self._buckets)
        self.statements = Statements(self.books)
        self._proxy = Proxy(
            make_dsn(
                self.dsn,
                sslmode="disable",
                options=f"-c default_transaction_isolation={self._level}",
            ),
            self.statements.translate,
            self.passwords,
            self.parameters,
            self.books.rows("select 'redshift.super'::regtype::oid::int")[0][0],
        )
        self.port = int(self._proxy.server_address[1])
        self.faults = self._proxy.faults
        return self

    def __exit__(self, *_error: object) -> None:
        self._proxy.stop()
        self.books.close()
        self._postgres.drop_database(self.database)
        with _cursor(self._postgres.dsn()) as database:
            database.execute(
                "select rolname from pg_roles where not rolsuper and rolname !~ '^pg_'"
            )
            for (role,) in database.fetchall():
                database.execute(f'drop role "{role}"')

    def admin(self, sql: str) -> None:
        """Do something to the warehouse behind dbt's back, as Redshift's SQL."""
        session = Session(self.user, self.database, settings=dict(self.parameters))
        with _cursor(self.dsn) as database:
            database.execute("set search_path = public, redshift")
            database.execute(f"set session authorization {self.user}")
            database.execute(self.statements.translate(sql, session))


@contextmanager
def _cursor(dsn: str) -> Iterator[cursor]:
    """A cursor whose statements commit one by one."""
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as opened:
            yield opened
    finally:
        connection.close()
