"""A project of `lakehouse init`, worked in as a shell would: with its own code and our packages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ingestion.declarations import Declarations, load
from ingestion.settings import ConnectorName
from tests.kit.dbt import ROOT


@dataclass(frozen=True)
class NewProject:
    """The project in `folder`; what it lands and builds is in its own `data`, unless set."""

    folder: Path
    name: str
    source: ConnectorName
    settings: Mapping[str, str] = field(default_factory=dict)

    def make(self) -> NewProject:
        """`lakehouse init`, and in the place of `make setup` what is here already."""
        init = ["lakehouse", "init", str(self.folder), "--name", self.name, "--source", self.source]
        made = NewProject(ROOT, self.name, self.source).run(init)
        assert made.returncode == 0, made.stderr
        for there in (".venv", ".jars"):
            (self.folder / there).symlink_to(ROOT / there)
        (self.folder / "dbt_packages").mkdir()
        package = self.folder / "packages/cdc_history"
        (self.folder / "dbt_packages/cdc_history").symlink_to(package)
        return self

    @property
    def sources(self) -> Path:
        """Where its tables are declared."""
        return self.folder / f"models/staging/{self.name}/_{self.name}__sources.yml"

    @property
    def declared(self) -> Declarations:
        """Its tables."""
        return load(self.sources)

    @property
    def warehouse(self) -> Path:
        """The file that dbt builds."""
        given = self.settings.get("LAKEHOUSE_DUCKDB")
        return Path(given) if given else self.folder / "data/warehouse.duckdb"

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        told = {"PYTHONPATH": str(self.folder), "LAKEHOUSE_SOURCE": self.source, "NO_COLOR": "1"}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PATH": path, **told, **self.settings},
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *command: str, ends: int = 0) -> str:
        """What it printed; AssertionError where it ended otherwise."""
        done = self.run(command)
        assert done.returncode == ends, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query of its warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()
