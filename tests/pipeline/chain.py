"""The chain of one machine at small scale, step by step, as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from tests.kit.dbt import ROOT, Dbt


@dataclass(frozen=True)
class Chain:
    """Landing zone, warehouse file and settings of one pass through the pipeline."""

    folder: Path
    settings: Mapping[str, str]
    warehouse: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the commands see, beside what this process sees."""
        return {
            **self.settings,
            "LAKEHOUSE_LANDING": str(self.folder / "landing"),
            "LAKEHOUSE_CHECKPOINTS": str(self.folder / "checkpoints"),
            "LAKEHOUSE_DUCKDB": str(self.warehouse),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }

    def land(self) -> None:
        """Land all that is there."""
        self.run("lakehouse", "land", "--once")

    def build(self, *arguments: str) -> None:
        """Build everything and test it; unit tests prove code, not data, and run elsewhere."""
        dbt = Dbt(ROOT, self.folder, self.environment).parsed()
        dbt.run("build", "--exclude-resource-type", "unit_test", *arguments)

    def write_sqlserver_events(self) -> None:
        """Write the shop's activity as SQL Server's events too: first a snapshot, then changes."""
        state = str(self.folder / "sqlserver-events.json")
        self.run("python", "-m", "playground", "shop", "sqlserver-events", "--state", state)

    def run(self, program: str, *arguments: str) -> str:
        """Run a command of the project; its output, or AssertionError with it when it fails."""
        result = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, f"{program} {' '.join(arguments)}\n{result.stdout[-8000:]}"
        return result.stdout


def count(warehouse: Path, query: str) -> int:
    """The number that a query gives."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
