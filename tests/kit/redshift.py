"""The dbt project on target prod against the stand-in, and on target local, in this process.

dbt's start and parse cost seconds: a resident `dbtRunner` pays for the start once, and a manifest
parsed once serves all invocations of one connector.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import psycopg2
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from typer.testing import CliRunner

from ingestion.declarations import SOURCES_FILE, load
from ingestion.settings import ConnectorName
from lakehouse.cli import app
from lakehouse.commands import warehouse as warehouse_commands
from lakehouse.warehouse.comparison import Comparison, compare
from lakehouse.warehouse.connection import Warehouse, WarehouseSettings
from lakehouse.warehouse.sides import DuckDbSide, RedshiftSide
from lakehouse.warehouse.streams import refresh_streams
from redshift_standin.server import StandIn

ROOT = Path(__file__).parents[2]
# What dbt parsed, by project, target and LAKEHOUSE_SOURCE. It holds the database's name, which is
# one for all stand-ins and all warehouse files; where landing is, a log finds when it is built.
_PARSED: dict[tuple[Path, str, str], Manifest] = {}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with `values`, put back at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


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


@dataclass
class Dbt:
    """dbt invocations on one target with one environment; logs and artifacts go to `folder`."""

    target: str
    settings: Mapping[str, str]
    folder: Path
    project: Path = ROOT
    said: list[str] = field(default_factory=list)

    def invoke(self, *arguments: str, parse: bool = False) -> dbtRunnerResult:
        """Run a dbt command and give its result, failed or not; `said` gets what it prints.

        `parse` reads the project again: with variables that name schemas it is another one.
        """
        self.said.clear()

        def listen(event: Any) -> None:
            if event.info.level in ("info", "warn", "error"):
                self.said.append(event.info.msg)

        with environment({**self.settings, "DBT_TARGET_PATH": str(self.folder / "target")}):
            try:
                manifest = None if parse else self._manifest()
                return dbtRunner(manifest=manifest, callbacks=[listen]).invoke(
                    [*arguments, *self._options()]
                )
            finally:
                DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    def _manifest(self) -> Manifest:
        """The project as it was parsed the first time."""
        key = self.project, self.target, self.settings["LAKEHOUSE_SOURCE"]
        if key not in _PARSED:
            parsed = dbtRunner().invoke(["parse", *self._options()])
            assert parsed.success, str(parsed.exception)
            assert isinstance(parsed.result, Manifest)
            _PARSED[key] = parsed.result
        return copy.deepcopy(_PARSED[key])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a dbt command in a process of its own; it ends with dbt's exit code."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        options = [
            *("--target", self.target, "--log-path", str(folder), "--log-level-file", "none"),
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
        ]
        return subprocess.Popen(
            [Path(sys.executable).with_name("dbt"), "--no-use-colors", *arguments, *options],
            env={**os.environ, **self.settings, "DBT_TARGET_PATH": str(folder / "target")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _options(self) -> list[str]:
        return [
            *("--target", self.target),
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--log-path", str(self.folder / "logs")),
            *("--log-level", "none", "--log-level-file", "none"),
        ]

    def run(self, *arguments: str) -> None:
        """Run a dbt command; AssertionError with dbt's message when it fails."""
        result = self.invoke(*arguments)
        assert result.success, "\n".join([explain(result), *self.said[-5:]])

    def build(self, *arguments: str) -> None:
        """`dbt build` without the tests."""
        self.run("build", "--exclude-resource-type", "test", "unit_test", *arguments)


def explain(result: dbtRunnerResult) -> str:
    """Why an invocation failed, in dbt's words."""
    if result.exception is not None:
        return str(result.exception)
    if not isinstance(result.result, RunExecutionResult):
        return str(result.result)
    failed = [
        node for node in result.result.results if node.status not in ("success", "pass", "warn")
    ]
    return "\n".join(f"{node.node.name}: {node.message}" for node in failed)


@dataclass(frozen=True)
class Prod:
    """Target prod: the stand-in with dbt on it."""

    stand_in: StandIn
    dbt: Dbt

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a PostgreSQL query, behind the proxy's back."""
        connection = psycopg2.connect(self.stand_in.dsn)
        try:
            with connection, connection.cursor() as database:
                database.execute(sql)
                return list(database.fetchall())
        finally:
            connection.close()

    def lakehouse(self, *arguments: str, code: int = 0) -> str:
        """What `lakehouse warehouse` prints, with the declarations of dbt's project."""
        declarations = load(self.dbt.project / SOURCES_FILE.relative_to(ROOT))
        with (
            environment(self.dbt.settings),
            patch.object(warehouse_commands, "load", lambda: declarations),
        ):
            done = CliRunner().invoke(app, ["warehouse", *arguments], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.stdout if "--json" in arguments else done.output

    def refresh(self, *tables: str) -> None:
        """Refresh the streaming views now, all or those of `tables`."""
        declared = [table.name for table in load().tables]
        with self.warehouse() as opened:
            refresh_streams(opened, tables or declared)

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        """A session of the CLI's own connection."""
        with environment(dict(self.dbt.settings)):
            opened = Warehouse(WarehouseSettings.from_environment(self.dbt.target))
        try:
            yield opened
        finally:
            opened.close()


def local(landing: Path, folder: Path, connector: ConnectorName) -> tuple[Dbt, Path]:
    """Target local on the same landing zone: dbt, and the warehouse's file."""
    file = folder / "warehouse.duckdb"
    settings = {
        "LAKEHOUSE_LANDING": str(landing),
        "LAKEHOUSE_DUCKDB": str(file),
        "LAKEHOUSE_SOURCE": connector,
    }
    return Dbt("local", settings, folder), file


def duckdb_rows(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query on a warehouse file."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def differences(prod: Prod, file: Path) -> list[Comparison]:
    """Tables of the local warehouse that are not equal on target prod."""
    first = DuckDbSide(file)
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
