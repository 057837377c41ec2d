"""The demo: a shop's database changes travel through Debezium, Kafka and the lake into a star.

Everything is real and runs here: PostgreSQL, Debezium, Kafka, the landing job, dbt on DuckDB. The
services stop at the end, and what they kept goes; the landing zone, the warehouse file, the logs
and the site with the report stay under `data/demo`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.declarations import load
from ingestion.errors import TerminalError
from ingestion.settings import Settings
from lakehouse.console import say, show_table
from lakehouse.dbt import Dbt
from playground.services import SHOP_DATABASE, Capture, Services
from playground.shop import schema
from playground.shop.opening import Scale
from playground.shop.simulator import Shop

_LANDING_SECONDS = 180.0
_LAKEHOUSE = str(Path(sys.executable).with_name("lakehouse"))


@dataclass
class _Build:
    name: str
    seconds: float
    nodes: int
    tests: int
    warnings: tuple[str, ...]
    """Tests that found something, with how many rows."""


@dataclass
class _Report:
    changes: int = 0
    updates_and_deletes: int = 0
    builds: list[_Build] = field(default_factory=list)
    timings: list[tuple[str, float]] = field(default_factory=list)


class Demo:
    """One run of the demo in `root`, which is emptied first."""

    def __init__(self, root: Path, rounds: int, changes: int, seed: int) -> None:
        self._root = root
        self._warehouse = root / "warehouse.duckdb"
        self._rounds = rounds
        self._changes = changes
        self._seed = seed
        self._report = _Report()

    def run(self) -> None:
        """Run every step, then say what came out and where it is.

        Raises:
            LakehouseError: a step failed; the services are stopped, the logs stay.
        """
        started = time.monotonic()
        if self._root.exists():
            shutil.rmtree(self._root)
        self._root.mkdir(parents=True)
        with self._step("services: PostgreSQL, Kafka, Kafka Connect"):
            services = Services(self._root / "services", postgres=True, kafka=True, connect=True)
            services.__enter__()
        try:
            # for dbt in this process, and for the programs that it starts
            os.environ.update(self._environment(services))
            self._pipeline(services)
            with self._step("reconcile: the shop's audit against the warehouse"):
                self._command("reconcile", show=True)
        finally:
            services.__exit__(None, None, None)
        # the logs stay; the rest nothing uses again
        shutil.move(services.logs, self._root / "logs" / "services")
        shutil.rmtree(services.directory)
        with self._step("report, catalog and lineage of columns"):
            self._command("docs", "--report", "--output", str(self._root / "docs"))
        self._summary(time.monotonic() - started)

    def _environment(self, services: Services) -> dict[str, str]:
        return {
            **services.environment(),
            "LAKEHOUSE_LANDING": str(self._root / "landing"),
            "LAKEHOUSE_CHECKPOINTS": str(self._root / "checkpoints"),
            "LAKEHOUSE_DUCKDB": str(self._warehouse),
            "DBT_LOG_PATH": str(self._root / "logs"),
            "DBT_TARGET_PATH": str(self._root / "target"),
        }

    def _pipeline(self, services: Services) -> None:
        dsn = services.postgres.create_database(SHOP_DATABASE)
        settings = Settings.from_environment()
        services.create_topics(settings.source)
        with self._landing_job(), self._shop(dsn) as shop:
            capture = services.capture(dsn)
            with self._step("Debezium's snapshot, with a transaction left open over it"):
                capture.create()
                capture.wait_until_snapshotting()
                with shop.transaction_left_open():
                    capture.wait_until_streaming()
            with self._step("dbt reads the project"):
                dbt = Dbt("", {})
            self._follow(capture, settings, dbt, "first build: everything from landing")
            for number in range(1, self._rounds + 1):
                with self._step(f"round {number}: customers at work"):
                    summary = shop.round(changes=self._changes, at=datetime.now(UTC))
                    self._report.changes += summary.changes
                    self._report.updates_and_deletes += summary.updates_and_deletes
                self._follow(capture, settings, dbt, f"build {number}: only what changed")

    @contextmanager
    def _shop(self, dsn: str) -> Iterator[Shop]:
        schema.create(dsn)
        with Shop(dsn, seed=self._seed, scale=Scale(), started_at=datetime.now(UTC)) as shop:
            with self._step("the shop opens: customers, products, orders"):
                shop.seed()
            yield shop

    def _follow(self, capture: Capture, settings: Settings, dbt: Dbt, name: str) -> None:
        with self._step("Debezium and landing catch up"):
            capture.wait_until_delivered()
            _wait_until_landed(settings)
        with self._step(f"dbt, {name}") as timer:
            # unit tests prove code, not data: `make test` runs them
            done = dbt.run("build", "--exclude-resource-type", "unit_test", variables={})
        self._report.builds.append(_read_build(name, timer[0], done.results))

    @contextmanager
    def _landing_job(self) -> Iterator[None]:
        log = self._root / "logs" / "landing.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as output:
            job = subprocess.Popen(
                [_LAKEHOUSE, "land", "--interval", "1", "--refresh", "2"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield
            finally:
                job.terminate()
                code = job.wait(timeout=60)
        if code != 0:
            raise TerminalError(f"landing ended with exit code {code}; its log is {log}")

    def _command(self, *arguments: str, show: bool = False) -> None:
        result = subprocess.run(
            [_LAKEHOUSE, *arguments],
            check=False,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            text=True,
        )
        if result.returncode != 0:
            tail = "" if show else f":\n{result.stdout[-6000:]}"
            raise TerminalError(f"lakehouse {arguments[0]} failed{tail}")

    @contextmanager
    def _step(self, name: str) -> Iterator[list[float]]:
        """Print the step and its seconds; the yielded list holds them once the step is over."""
        say(("▸", "bold cyan"), f" {name}")
        started = time.monotonic()
        seconds: list[float] = []
        yield seconds
        seconds.append(time.monotonic() - started)
        self._report.timings.append((name, seconds[0]))
        say("  ", ("done", "green"), f" in {seconds[0]:.1f} s")

    def _summary(self, seconds: float) -> None:
        counts = _count(self._warehouse)
        facts = [
            ("change events landed", f"{counts['events']:,}"),
            ("row changes of the rounds", f"{self._report.changes:,}"),
            ("  of them updates and deletes", f"{self._report.updates_and_deletes:,}"),
            ("versions in the histories", f"{counts['versions']:,}"),
            ("customer versions in dim_customer", f"{counts['customer_versions']:,}"),
            ("orders in fct_orders", f"{counts['orders']:,}"),
            ("records in quarantine", f"{counts['quarantined']:,}"),
            ("time, all included", f"{seconds:.0f} s"),
        ]
        show_table(("what came out", ""), facts, names=1)
        builds = [
            (
                build.name,
                f"{build.seconds:.1f}",
                str(build.nodes),
                str(build.tests),
                ", ".join(build.warnings),
            )
            for build in self._report.builds
        ]
        show_table(
            ("dbt build", "seconds", "nodes", "tests", "tests that warn: rows"), builds, names=1
        )
        for told in dict.fromkeys(told for build in self._report.builds for told in build.warnings):
            say(f"{told} rows that the shop itself has wrong, so that test warned.\n")
        say(("Look around", "bold"), ", in this shell as it is:")
        report = self._root / "docs" / "report.html"
        python = _relative(Path(sys.executable))
        query = (
            "select sales_date, store_id, order_count, unit_count, revenue_amount, currency_code "
            "from marts.agg_daily_sales order by 1 desc, 2 limit 12"
        )
        warehouse = f"LAKEHOUSE_DUCKDB={self._warehouse}"
        lakehouse = ["env", warehouse, python.with_name("lakehouse"), "query", query]
        for what, line in (
            (
                "the report in your browser",
                [python, "-m", "webbrowser", "-t", report.absolute().as_uri()],
            ),
            ("sales of the last days", lakehouse),
            ("a shop that never closes, with the services", ["make", "up"]),
        ):
            say(f"  {what}:\n    {shlex.join(map(str, line))}")
        say(f"\nThe report: {report}")


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _wait_until_landed(settings: Settings) -> None:
    """Wait until the ledger covers what the brokers hold at this moment.

    Raises:
        TerminalError: landing has not come that far in time.
    """
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.storage import open_storage
    from ingestion.landing.subscriptions import subscriptions

    wanted = subscriptions(load(), settings.source)
    topics = Brokers(settings).topics({subscription.topic for subscription in wanted})
    ends = {
        (name, number): offsets.latest
        for name, topic in topics.items()
        for number, offsets in topic.partitions.items()
        if offsets.latest > offsets.earliest
    }
    ledger = Ledger(open_storage(settings.landing))
    deadline = time.monotonic() + _LANDING_SECONDS
    while True:
        ledger.refresh()
        landed = {
            (position.topic, partition.number): position.until_offset
            for partition, position in ledger.progress.positions.items()
        }
        behind = {place: end for place, end in ends.items() if landed.get(place, 0) < end}
        if not behind:
            return
        if time.monotonic() > deadline:
            raise TerminalError(
                f"landing is still behind after {_LANDING_SECONDS:.0f} s: "
                + ", ".join(f"{topic}[{number}]" for topic, number in sorted(behind))
            )
        time.sleep(0.2)


def _read_build(name: str, seconds: float, results: list[Any]) -> _Build:
    tests = [result for result in results if result.node.resource_type == "test"]
    return _Build(
        name=name,
        seconds=seconds,
        nodes=len(results) - len(tests),
        tests=len(tests),
        warnings=tuple(
            f"{test.node.name}: {test.failures}" for test in tests if test.status == "warn"
        ),
    )


def _count(warehouse: Path) -> dict[str, int]:
    import duckdb

    declared = load().tables
    histories = " union all ".join(
        f"select dbt_scd_id from history.{table.name}_history"
        for table in declared
        if table.history == "all"
    )
    queries = {
        "events": "select sum(n) from ("
        + " union all ".join(
            f"select count(*) as n from staging.{table.name}__log" for table in declared
        )
        + ")",
        "versions": f"select count(*) from ({histories})",
        "customer_versions": "select count(*) from marts.dim_customer",
        "orders": "select count(*) from marts.fct_orders where not is_deleted",
        "quarantined": "select count(*) from staging.quarantine",
    }
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        counts = {}
        for name, query in queries.items():
            row = connection.execute(query).fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts
