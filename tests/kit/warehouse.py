"""The dbt project on a landing zone and a warehouse file of a test: built, killed, held, asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import yaml
from dbt.cli.main import dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg

from ingestion.settings import ConnectorName
from tests.kit.dbt import ROOT, Dbt

LOGS_AND_HISTORIES = ("macros", "models/staging", "snapshots", "tests/data/generic")
WHOLE_PROJECT = ("macros", "models", "seeds", "snapshots", "tests/data")
SOURCES = Path("models/staging/retail/_retail__sources.yml")


def copy_project(
    folder: Path, epochs: Mapping[str, int], parts: Sequence[str] = LOGS_AND_HISTORIES
) -> Path:
    """Copy the dbt project, or `parts` of it, to `folder`; its connectors have `epochs`.

    A copy, because the committed declarations know one prefix, and a restored source has two; and
    mostly without the marts, which would be parsed for nothing.
    """
    for part in parts:
        shutil.copytree(ROOT / part, folder / part)
    for name in ("dbt_project.yml", "packages.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(
        ROOT / "packages/cdc_history",
        folder / "dbt_packages/cdc_history",
        ignore=shutil.ignore_patterns("integration_tests"),
    )
    sources = folder / SOURCES
    document = yaml.safe_load(sources.read_text("utf-8"))
    newest = max(epochs, key=lambda prefix: epochs[prefix])
    for connector in document["sources"][0]["config"]["meta"]["connectors"].values():
        connector |= {"topic_prefix": newest, "epochs": dict(epochs)}
    sources.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return folder


@dataclass(frozen=True)
class Warehouse:
    """One DuckDB file and the landing zone that dbt builds it from."""

    project: Path
    landing: Path
    file: Path
    connector: ConnectorName
    manifest: Manifest | None = None
    """The parsed project, where it need not be parsed again."""

    @property
    def dbt(self) -> Dbt:
        """dbt on target local, which is this file."""
        settings = {
            "LAKEHOUSE_LANDING": str(self.landing),
            "LAKEHOUSE_DUCKDB": str(self.file),
            "LAKEHOUSE_SOURCE": self.connector,
        }
        return Dbt(self.project, self.file.parent, settings, manifest=self.manifest)

    def parsed(self) -> Warehouse:
        """This, and its copies, on a project that is parsed once.

        A copy can have another folder but not another file name, which the parsed project holds.
        """
        return replace(self, manifest=self.dbt.parsed().manifest)

    def moved_to(self, folder: Path) -> Warehouse:
        """The same landing zone and project with a warehouse of its own in `folder`."""
        folder.mkdir(parents=True)
        return replace(self, file=folder / self.file.name)

    def build(self, *arguments: str, callbacks: Sequence[Callable[[EventMsg], None]] = ()) -> None:
        """`dbt build` without the tests."""
        self.dbt.build(*arguments, callbacks=callbacks)

    def invoke(
        self,
        *arguments: str,
        callbacks: Sequence[Callable[[EventMsg], None]] = (),
        keep_results: bool = False,
    ) -> dbtRunnerResult:
        """A dbt command; `Dbt.invoke`."""
        return self.dbt.invoke(*arguments, callbacks=callbacks, keep_results=keep_results)

    def killed_build(self, *arguments: str, after_queries: int) -> int:
        """Run `dbt build` in a child process that dies, as by SIGKILL, before its n-th query.

        Returns the child's exit code: 9 when it was killed, 0 when it had ended before.
        """
        child = os.fork()
        if child == 0:
            code = 1
            try:
                self.build(*arguments, callbacks=[_die_before_query(after_queries)])
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    @contextmanager
    def held_build(self, *arguments: str, after_query: int) -> Iterator[int]:
        """A `dbt build` in a child process that waits after its n-th query while the block runs.

        A connection is opened by its first query: whoever waited before that held no file.

        Yields the child's process id. AssertionError if the build fails when it goes on.
        """
        (held, hold), (waits, go_on) = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            os.close(go_on)
            try:
                self.build(*arguments, callbacks=[_wait_after_query(after_query, hold, waits)])
                code = 0
            finally:
                os._exit(code)
        os.close(hold)
        try:
            assert os.read(held, 1), "the build ended before it was held"
            yield child
        finally:
            os.close(go_on)
            os.close(held)
            os.close(waits)
            _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with duckdb.connect(self.file, read_only=True) as connection:
            return connection.execute(query).fetchall()


def parsed_project(project: Path, folder: Path, connector: ConnectorName) -> Warehouse:
    """A warehouse in `folder` that never parses the project again, nor do its copies."""
    return Warehouse(project, folder / "landing", folder / "warehouse.duckdb", connector).parsed()


KILLED = 9


def _die_before_query(number: int) -> Callable[[EventMsg], None]:
    return _at("SQLQuery", number, lambda: os._exit(KILLED))


def _wait_after_query(number: int, hold: int, waits: int) -> Callable[[EventMsg], None]:
    def wait() -> None:
        os.write(hold, b"!")
        # until the other end is closed
        os.read(waits, 1)

    return _at("SQLQueryStatus", number, wait)


def _at(name: str, number: int, act: Callable[[], None]) -> Callable[[EventMsg], None]:
    seen = 0

    def look(event: EventMsg) -> None:
        nonlocal seen
        if event.info.name == name:
            seen += 1
            if seen == number:
                act()

    return look
