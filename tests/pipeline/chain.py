"""The chain of one machine at small scale, step by step, as its users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]
_EXCLUDED = ("_cdc_run", "kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp")


@dataclass(frozen=True)
class Chain:
    """Landing zone, warehouse file and settings of one pass through the pipeline."""

    folder: Path
    settings: Mapping[str, str]
    warehouse: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the commands see."""
        return {
            **os.environ,
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
        self.run("dbt", "build", "--exclude-resource-type", "unit_test", *arguments)

    def write_sqlserver_events(self) -> None:
        """Write the shop's activity as SQL Server's events too: first a snapshot, then changes."""
        state = str(self.folder / "sqlserver-events.json")
        self.run("python", "-m", "playground", "shop", "sqlserver-events", "--state", state)

    def run(self, program: str, *arguments: str) -> str:
        """Run a command of the project; its output, or AssertionError with it when it fails."""
        result = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            env=self.environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert result.returncode == 0, f"{program} {' '.join(arguments)}\n{result.stdout[-8000:]}"
        return result.stdout


def relations(warehouse: Path, schemas: tuple[str, ...]) -> list[str]:
    """Tables of `schemas` as schema.name."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where list_contains(?, table_schema) and table_type = 'BASE TABLE' order by 1",
            [list(schemas)],
        ).fetchall()
    return [row[0] for row in rows]


def differing_rows(
    left: Path, right: Path, relation: str, without: tuple[str, ...] = ()
) -> list[tuple[object, ...]]:
    """Up to five rows that only one of two warehouses has, columns about arrival aside."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{left}' as left_side (read_only)")
        connection.execute(f"attach '{right}' as right_side (read_only)")
        names = [
            row[0]
            for row in connection.execute(f"describe left_side.{relation}").fetchall()
            if row[0] not in (*_EXCLUDED, *without)
        ]
        columns = ", ".join(names)
        return connection.execute(
            f"""
            (
                select 'left' as side, {columns} from left_side.{relation}
                except all select 'left', {columns} from right_side.{relation}
            )
            union all
            (
                select 'right', {columns} from right_side.{relation}
                except all select 'right', {columns} from left_side.{relation}
            )
            limit 5
            """
        ).fetchall()


def count(warehouse: Path, query: str) -> int:
    """The number that a query gives."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
