"""`lakehouse run` as a process on a landing zone of a test, and who reads beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from ingestion.landing import layout
from lakehouse.published import published
from tests.kit.dbt import ROOT
from tests.kit.warehouse import Warehouse

PATIENCE_SECONDS = 300
# What each whole run leaves at 0: orders and payments are in the customers' values, and nothing
# else is; no mart has rows of a later run than the newest, and that has ended.
_WITNESS = """
    select
        (select count(*) from marts.fct_orders where not is_deleted and customer_id is not null)
        - (select coalesce(sum(order_count), 0) from marts.agg_customer_value),
        (select coalesce(sum(net_amount), 0) from marts.fct_orders
            where not is_deleted and customer_id is not null)
        - (select coalesce(sum(net_amount), 0) from marts.agg_customer_value),
        (select coalesce(sum(amount), 0) from marts.fct_payments
            where not is_deleted and customer_id is not null)
        - (select coalesce(sum(paid_amount - refunded_amount), 0) from marts.agg_customer_value),
        (select count(*) from operations.runs where status = 'running'),
        (select count(*) from (
            select _cdc_run from marts.fct_orders union all
            select _cdc_run from marts.fct_payments union all
            select _cdc_run from marts.agg_customer_value union all
            select _cdc_run from staging.orders__log
        ) where _cdc_run > (select max(run_number) from operations.runs)),
        (select max(run_number) from operations.runs),
        (select hash(list(hash(orders) order by order_id)) from marts.fct_orders as orders)
"""

_READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
def show():
    print(*connection.execute("select max(run_number) from operations.runs").fetchone(), flush=True)
show()
sys.stdin.read()
show()
"""


class Resident:
    """One process at a time, started, killed and ended by the test; `said` is all it printed."""

    def __init__(self, warehouse: Warehouse, *, tests_every: int = 10_000) -> None:
        self.warehouse = warehouse
        self.file = published(warehouse.file)
        self._tests_every = tests_every
        self._log = warehouse.file.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None
        identity = warehouse.landing / layout.IDENTITY
        identity.parent.mkdir(parents=True, exist_ok=True)
        identity.touch()

    @property
    def environment(self) -> dict[str, str]:
        """That of a person beside it."""
        folder = self.warehouse.file.parent
        return {
            **os.environ,
            **self.warehouse.dbt.settings,
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "NO_COLOR": "1",
        }

    @property
    def said(self) -> str:
        """What it printed since the first start."""
        return self._log.read_text("utf-8")

    def start(self) -> None:
        """Start it; does not wait."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program("lakehouse"), "run", "--tests-every", str(self._tests_every)],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, number: signal.Signals) -> int:
        """Send it the signal, and give how it ended."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return when it holds; AssertionError if the process ends before, or it takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process is None or self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def wait_for(self, table: str, rows: int) -> None:
        """Return when so many records of a table are in what is published."""
        count = f"select count(*) from staging.{table}__log"
        self.wait_until(lambda: self.file.exists() and self.rows(count) == [(rows,)])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query on what is published."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def reader(self) -> tuple[subprocess.Popen[str], int]:
        """A process that has what is published open until it is told to end, and the newest run.

        At its end it prints that again. Not this process: in one DuckDB opens a path only once.
        """
        process = subprocess.Popen(
            [sys.executable, "-c", _READER, str(self.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    def beside(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another program of the project, as a person runs it."""
        return subprocess.run(
            [*program(name), *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


class Poller(threading.Thread):
    """Opens what is published again and again; `wrong` is what no single run can have left."""

    def __init__(self, resident: Resident) -> None:
        super().__init__(daemon=True)
        self._resident = resident
        self._done = threading.Event()
        self.wrong: list[tuple[Any, ...]] = []
        self.of_run: dict[int, Any] = {}

    def run(self) -> None:
        """Look until `stop`."""
        before = 0
        while not self._done.wait(0.02):
            if not self._resident.file.exists():
                continue
            [(*zeros, run, content)] = self._resident.rows(_WITNESS)
            if any(zeros) or run < before or self.of_run.setdefault(run, content) != content:
                self.wrong.append((*zeros, before, run, content))
            before = run

    def stop(self) -> None:
        """Look no more; what went wrong in looking is told."""
        self._done.set()
        self.join()


def program(name: str) -> list[str]:
    """A program of the environment that the tests run in."""
    return [str(Path(sys.executable).with_name(name))]


def differing(first: Path, second: Path) -> dict[str, tuple[int, int]]:
    """The tables that two files do not hold alike, with the rows that only one has."""
    found = {}
    with duckdb.connect() as connection:
        for name, file in (("a", first), ("b", second)):
            connection.execute(f"attach '{file}' as {name} (read_only)")
        tables = connection.execute(
            "select distinct schema_name || '.' || table_name from duckdb_tables()"
            " where database_name in ('a', 'b') order by 1"
        ).fetchall()
        for (table,) in tables:
            [counts] = connection.execute(
                f"select (select count(*) from (from a.{table} except all from b.{table})),"
                f" (select count(*) from (from b.{table} except all from a.{table}))"
            ).fetchall()
            if any(counts):
                found[table] = counts
    return found
