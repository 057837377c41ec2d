"""Target prod: the stand-in for Redshift with the dbt project on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2
from typer.testing import CliRunner

from ingestion.declarations import SOURCES_FILE, load
from ingestion.settings import ConnectorName
from lakehouse.cli import app
from lakehouse.commands import warehouse as warehouse_commands
from lakehouse.warehouse import connection
from lakehouse.warehouse.access import personal_columns
from lakehouse.warehouse.comparison import Comparison, compare
from lakehouse.warehouse.sides import DuckDbSide, RedshiftSide
from lakehouse.warehouse.streams import refresh_streams
from redshift_standin.server import StandIn
from tests.kit.dbt import ROOT, Dbt, environment
from tests.kit.warehouse import Warehouse


def redshift_settings(stand_in: StandIn, brokers: str) -> dict[str, str]:
    """The environment that target prod reads, for the stand-in."""
    return {
        "LAKEHOUSE_REDSHIFT_HOST": "127.0.0.1",
        "LAKEHOUSE_REDSHIFT_PORT": str(stand_in.port),
        "LAKEHOUSE_REDSHIFT_DATABASE": stand_in.database,
        "LAKEHOUSE_REDSHIFT_METHOD": "database",
        "LAKEHOUSE_REDSHIFT_USER": stand_in.user,
        "LAKEHOUSE_REDSHIFT_PASSWORD": stand_in.password,
        "LAKEHOUSE_REDSHIFT_SSLMODE": "disable",
        "LAKEHOUSE_REDSHIFT_THREADS": "2",
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": brokers,
        "LAKEHOUSE_KAFKA_AUTH": "iam",
    }


@dataclass(frozen=True)
class Prod:
    """Target prod: the stand-in with dbt on it."""

    stand_in: StandIn
    dbt: Dbt

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a PostgreSQL query, behind the proxy's back."""
        session = psycopg2.connect(self.stand_in.dsn)
        try:
            with session, session.cursor() as database:
                database.execute(sql)
                return list(database.fetchall())
        finally:
            session.close()

    def lakehouse(self, *arguments: str, code: int | None = 0) -> str:
        """What `lakehouse warehouse` prints, with the declarations of dbt's project.

        It ends with `code`; None: however it ends.
        """
        declarations = load(self.dbt.project / SOURCES_FILE.relative_to(ROOT))
        with (
            environment(self.dbt.settings),
            patch.object(warehouse_commands, "load", lambda: declarations),
        ):
            done = CliRunner().invoke(app, ["warehouse", *arguments], catch_exceptions=False)
        assert code is None or done.exit_code == code, done.output
        return done.stdout if "--json" in arguments else done.output

    def logged_in_as(self, user: str) -> Prod:
        """The same with another login."""
        self.stand_in.passwords[user] = "secret"
        login = {"LAKEHOUSE_REDSHIFT_USER": user, "LAKEHOUSE_REDSHIFT_PASSWORD": "secret"}
        return replace(self, dbt=replace(self.dbt, settings={**self.dbt.settings, **login}))

    def refresh(self, *tables: str) -> None:
        """Refresh the streaming views now, all or those of `tables`."""
        declared = [table.name for table in load().tables]
        with self.warehouse() as opened:
            refresh_streams(opened, tables or declared)

    @contextmanager
    def warehouse(self) -> Iterator[connection.Warehouse]:
        """A session of the CLI's own connection."""
        with environment(self.dbt.settings):
            settings = connection.WarehouseSettings.from_environment(self.dbt.target)
            opened = connection.Warehouse(settings)
        try:
            yield opened
        finally:
            opened.close()


def read_by(stand_in: StandIn, user: str) -> dict[str, str]:
    """The relations that `user` may read, as `schema.name`; of a late-binding view its query."""
    found = stand_in.books.rows(
        "select n.nspname || '.' || c.relname, coalesce(v.query, '') from pg_class as c"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " left join standin.late_binding_views as v on v.view = c.oid"
        " where c.relkind in ('r', 'v') and n.nspname not in"
        " ('pg_catalog', 'information_schema', 'redshift', 'standin')"
        " and has_schema_privilege(%s, n.oid, 'usage')"
        " and has_table_privilege(%s, c.oid, 'select')",
        user,
        user,
    )
    return dict(found)


def seen_unmasked(stand_in: StandIn, user: str) -> list[str]:
    """Personal columns that `user` reads in clear, from a table or through a view on it.

    What a user reads through a view is masked as the view's tables are (t_ddm-considerations).
    """
    names = sorted({name for columns in personal_columns().values() for name in columns})
    unmasked = stand_in.books.rows(
        "select n.nspname || '.' || c.relname, a.attname from pg_attribute as a"
        " inner join pg_class as c on a.attrelid = c.oid and c.relkind = 'r'"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " where a.attname = any (%s)"
        " and not exists (select 1 from standin.attached_policies as mask"
        " where mask.relation = c.oid and mask.columns = a.attname)",
        names,
    )
    return [
        f"{relation}: {table}.{column}"
        for relation, query in read_by(stand_in, user).items()
        for table, column in unmasked
        if relation == table or re.search(rf"{table}\b".replace(".", r'"?\."?'), query)
    ]


def new_prod(
    stand_in: StandIn,
    brokers: str,
    folder: Path,
    connector: ConnectorName,
    project: Path = ROOT,
    **settings: str,
) -> Prod:
    """The project on `stand_in`, whose landing zone is in the bucket `lake`."""
    settings = {
        **redshift_settings(stand_in, brokers),
        "LAKEHOUSE_LANDING": "s3://lake/landing",
        "LAKEHOUSE_SOURCE": connector,
        **settings,
    }
    return Prod(stand_in, Dbt(project, folder / "prod", settings, "prod").parsed())


def differences(prod: Prod, local: Warehouse) -> list[Comparison]:
    """Tables of the local warehouse that are not equal on target prod."""
    first = DuckDbSide(local.file)
    with prod.warehouse() as warehouse:
        second = RedshiftSide(warehouse)
        found = [
            compare(first, second, schema, table)
            for schema in ("staging", "history", "marts")
            for table in first.columns(schema)
        ]
    first.close()
    assert found, "the local warehouse has no tables"
    return [each for each in found if not each.is_equal]
