"""How soon a commit is in the marts: `python -m benchmarks.freshness [--minutes 30] [--rate 1000]`.

The simulated shop makes RATE row changes a second on PostgreSQL; Debezium, Kafka, `lakehouse land`
and `lakehouse run` are the real ones. Once a second a marker is committed: an order with lines, and
a change of its customer. This process looks for it in what is published. Printed are the seconds of
each stage: from the commit to the ledger, to the start of the run that read it, to that run's end,
until it was seen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
from rich.console import Console
from rich.table import Table

from benchmarks.measure import ROOT
from lakehouse.published import published
from playground.services import SHOP_DATABASE, Services
from playground.shop import schema
from playground.shop.simulator import Shop

_FIRST_MARKER = 9_000_000_000
_BIN = Path(sys.executable).parent
_STAGES = ("commit → ledger", "ledger → run", "run", "run → seen", "commit → seen")
_COPY = """
    insert into public.{table}
    select (jsonb_populate_record(null::public.{table}, to_jsonb(pattern) || %s::jsonb)).*
    from public.{table} as pattern
    where pattern.order_id = %s
"""
_console = Console(highlight=False)


@dataclass
class Markers:
    """When each marker was committed, and when it was seen (seconds since 1970)."""

    committed: dict[int, float] = field(default_factory=dict)
    seen: dict[int, float] = field(default_factory=dict)


def commit(dsn: str, markers: Markers, done: threading.Event) -> None:
    """A marker each second until `done`."""
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select order_id, customer_id from public.orders where customer_id is not null"
            " and order_id in (select order_id from public.order_items) order by 1 limit 1"
        )
        pattern, customer = cursor.fetchone() or (None, None)
        marker = _FIRST_MARKER
        while not done.wait(1):
            marker += 1
            now = json.dumps({"order_id": marker, "placed_at": datetime.now(UTC).isoformat()})
            cursor.execute(_COPY.format(table="orders"), [now, pattern])
            own = json.dumps({"order_id": marker})
            cursor.execute(_COPY.format(table="order_items"), [own, pattern])
            cursor.execute(
                "update public.customers set last_name = %s where customer_id = %s",
                [str(marker), customer],
            )
            connection.commit()
            markers.committed[marker] = time.time()


def look(file: Path, markers: Markers) -> None:
    """Which markers are in what is published: order, lines, the customer's change."""
    if not file.exists():
        return
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            f"""
            select distinct orders.order_id
            from marts.fct_orders as orders
            inner join marts.fct_order_lines as lines on orders.order_id = lines.order_id
            inner join staging.customers__log as customers
                on cast(orders.order_id as varchar) = customers.last_name
            where orders.order_id > {max(markers.seen, default=_FIRST_MARKER)}
            """
        ).fetchall()
    now = time.time()
    markers.seen |= {marker: now for (marker,) in found}


def stages(file: Path, landing: Path, markers: Markers) -> list[tuple[float, ...]]:
    """The seconds of each stage of each marker."""
    commits = [
        (
            entry["kafka_partition"],
            entry["from_offset"],
            entry["until_offset"],
            path.stat().st_mtime,
        )
        for path in (landing / "_ledger").glob("*.jsonl")
        for entry in map(json.loads, path.read_text("utf-8").splitlines())
        if entry["table"] == "orders"
    ]
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            f"""
            select
                log.order_id, log.kafka_partition, log.kafka_offset,
                epoch(runs.started_at), epoch(runs.finished_at)
            from staging.orders__log as log
            inner join operations.runs as runs on log._cdc_run = runs.run_number
            where log.order_id > {_FIRST_MARKER} and log._cdc_op = 'c'
            """
        ).fetchall()
    found = []
    for marker, partition, offset, started, finished in rows:
        if marker in markers.seen:
            landed = min(
                at for p, low, high, at in commits if p == partition and low <= offset < high
            )
            times = (markers.committed[marker], landed, started, finished, markers.seen[marker])
            steps = [later - earlier for earlier, later in pairwise(times)]
            found.append((*steps, times[-1] - times[0]))
    return found


@contextlib.contextmanager
def pipeline(folder: Path, rate: int) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Services, an open shop, landing and `lakehouse run`; the shop's database."""
    with Services(folder / "services") as services:
        dsn = services.postgres.create_database(SHOP_DATABASE)
        schema.create(dsn)
        now = datetime.now(UTC).replace(tzinfo=None)
        with Shop(dsn, seed=1, started_at=now) as shop:
            shop.seed()
            services.capture(dsn).start()
            environment = {
                **services.environment(),
                "LAKEHOUSE_LANDING": str(folder / "landing"),
                "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
                "LAKEHOUSE_DUCKDB": str(folder / "warehouse.duckdb"),
                "DBT_TARGET_PATH": str(folder / "target"),
                "DBT_LOG_PATH": str(folder / "logs"),
            }
            done = threading.Event()
            trade = threading.Thread(target=_trade, args=[shop, rate, done])
            jobs = [_start(folder, environment, "land", "--interval", "1")]
            jobs.append(_start(folder, environment, "run"))
            trade.start()
            try:
                yield dsn, environment
            finally:
                done.set()
                trade.join()
                for job in reversed(jobs):
                    job.terminate()
                    job.wait()


def _start(folder: Path, environment: Mapping[str, str], *command: str) -> subprocess.Popen[bytes]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        return subprocess.Popen(
            [str(_BIN / "lakehouse"), *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _trade(shop: Shop, rate: int, done: threading.Event) -> None:
    due = time.monotonic()
    while not done.wait(max(0.0, due - time.monotonic())):
        due = max(due + 1, time.monotonic() - 5)
        shop.round(rate, at=datetime.now(UTC).replace(tzinfo=None))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=1_000, help="the shop's row changes a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = published(folder / "warehouse.duckdb")
        with pipeline(folder, options.rate) as (dsn, _):
            deadline = time.monotonic() + 300
            while not file.exists():
                if time.monotonic() > deadline:
                    sys.exit((folder / "run.log").read_text("utf-8"))
                time.sleep(0.2)
            markers, done = Markers(), threading.Event()
            marking = threading.Thread(target=commit, args=[dsn, markers, done])
            marking.start()
            until = time.monotonic() + 60 * options.minutes
            while time.monotonic() < until:
                look(file, markers)
                time.sleep(0.05)
            done.set()
            marking.join()
            until = time.monotonic() + 60
            while len(markers.seen) < len(markers.committed) and time.monotonic() < until:
                look(file, markers)
                time.sleep(0.05)
            found = stages(file, folder / "landing", markers)
            _console.print((folder / "run.log").read_text("utf-8")[-1500:])
    _report(found, len(markers.committed), options.rate)


def _report(found: Sequence[tuple[float, ...]], committed: int, rate: int) -> None:
    if len(found) < 2:
        sys.exit(f"{len(found)} of {committed} markers were seen")
    shown = Table("stage", "p50 s", "p90 s", "p99 s", "max s", title=f"{rate:,} changes a second")
    for stage, seconds in zip(_STAGES, zip(*found, strict=True), strict=True):
        shown.add_row(stage, *(f"{each:.2f}" for each in _quantiles(seconds)))
    _console.print(shown)
    _console.print(f"{len(found)} of {committed} markers were seen")


def _quantiles(seconds: Sequence[Any]) -> tuple[float, ...]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return (cuts[49], cuts[89], cuts[98], max(seconds))


if __name__ == "__main__":
    main()
