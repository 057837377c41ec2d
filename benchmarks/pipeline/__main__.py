"""From Kafka to the finished star: how long a backlog takes, and how soon a single event is landed.

    python -m benchmarks.pipeline [--events 1000000] [--latency-seconds 60] [--partitions N]
                                  [--keep FOLDER]

EVENTS change events of SQL Server's shape wait on the topics of all tables. `lakehouse land --once`
lands them; `dbt build` makes the star and runs every data test. Start-up is reported apart: of
landing what is not spent in a batch, of dbt the time until its first node. Nothing is measured
while events are made. Then the shop goes on for one more event in a hundred and both run again:
what a run costs when 1 % is new. Last, `lakehouse land` stays while events come at 1,000 a second;
latency is from the broker's time of a record until the ledger holds it, after twenty seconds of
warming up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.measure import ROOT, Cost, judged, run
from benchmarks.pipeline.events import Makers, produce, records
from ingestion.declarations import load
from playground.services import Services
from playground.shop.sqlserver.layout import Record

_PER_SECOND = 1_000
# The goals are set at this size.
_GOALS_FROM = 10_000_000
_BIN = Path(sys.executable).parent
_console = Console(highlight=False)


@dataclass(frozen=True)
class Step:
    """A command of the pipeline and what of its time was start-up."""

    name: str
    cost: Cost
    start_up_seconds: float


def land(environment: Mapping[str, str]) -> Step:
    """Land the backlog."""
    cost = run([str(_BIN / "lakehouse"), "land", "--once"], environment)
    in_batches = sum(
        int(found[1].replace(",", "")) / int(found[2].replace(",", ""))
        for line in cost.lines
        if (found := re.search(r"landed ([\d,]+) records \(([\d,]+)/s\)", line.text))
        and found[2] != "0"
    )
    return Step("land", cost, cost.wall_seconds - in_batches)


def build(environment: Mapping[str, str]) -> tuple[Step, dict[str, float]]:
    """Build and test the star; also the seconds of its nodes by layer (two run at a time)."""
    started = datetime.now().astimezone()
    dbt = [str(_BIN / "dbt"), "build", "--exclude-resource-type", "unit_test", "--no-use-colors"]
    cost = run(dbt, environment)
    results = json.loads(Path(environment["DBT_TARGET_PATH"], "run_results.json").read_text())
    layers: dict[str, float] = defaultdict(float)
    begins = []
    for node in results["results"]:
        layers[_layer(node["unique_id"])] += node["execution_time"]
        begins += [datetime.fromisoformat(t["started_at"]) for t in node["timing"]]
    return Step("dbt build", cost, (min(begins) - started).total_seconds()), layers


def _layer(unique_id: str) -> str:
    kind, _, name = unique_id.split(".")[:3]
    if kind == "test":
        return "tests"
    if kind == "snapshot":
        return "history"
    if name.endswith("__log"):
        return "log"
    return "marts" if name.startswith(("dim_", "fct_", "agg_", "bridge_")) else "staging"


def check(warehouse: Path, events: int) -> dict[str, int]:
    """Rows of the result; RuntimeError unless every event was accepted."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        logs = [
            name
            for (name,) in connection.execute(
                "select table_name from information_schema.tables"
                " where table_schema = 'staging' and table_name like '%\\_\\_log' escape '\\'"
            ).fetchall()
        ]
        counts = " union all ".join(
            f"select count(*) filter (_cdc_status = 'accepted') from staging.{name}"
            for name in logs
        )
        accepted, orders, lines = connection.execute(
            f"select (select sum(accepted) from ({counts}) as logs(accepted)),"
            " (select count(*) from marts.fct_orders), (select count(*) from marts.fct_order_lines)"
        ).fetchall()[0]
    if accepted != events:
        raise RuntimeError(f"{accepted} of {events} events were accepted")
    return {"events accepted": int(accepted), "orders": orders, "order lines": lines}


def latency(servers: str, environment: Mapping[str, str], seconds: int, interval: float) -> str:
    """p50 and p99 of the seconds from a record's arrival at the broker to its commit."""
    share = records(scale=seconds * _PER_SECOND, worker=0, workers=1)
    landing = Path(environment["LAKEHOUSE_LANDING"])
    command = [str(_BIN / "lakehouse"), "land", "--interval", str(interval)]
    job = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _warm_up(servers, share, landing)
        warm = _commits(landing)
        produce(servers, share, seconds * _PER_SECOND, per_second=_PER_SECOND)
        time.sleep(3 * interval + 3)
    finally:
        job.send_signal(signal.SIGTERM)
        job.wait()
    # A file is landed when the ledger says so: its entry's file appears at that moment.
    landed = [
        (f"{landing}/{entry['file']}", commit.stat().st_mtime)
        for commit in _commits(landing)[len(warm) :]
        for entry in map(json.loads, commit.read_text().splitlines())
        if entry["file"]
    ]
    with duckdb.connect() as connection:
        connection.execute("create table landed (file varchar, landed_at double)")
        connection.executemany("insert into landed values (?, ?)", landed)
        p50, p99, count = connection.execute(
            f"""
            select quantile_cont(seconds, 0.5), quantile_cont(seconds, 0.99), count(*)
            from (
                select landed.landed_at - epoch(record.kafka_timestamp) as seconds
                from read_parquet(
                    '{landing}/*/incarnation=1/*/*/*.parquet', filename = true
                ) as record
                inner join landed on record.filename = landed.file
            )
            """
        ).fetchall()[0]
    return (
        f"landing latency at {_PER_SECOND:,} events/s, --interval {interval:g}: "
        f"p50 {p50:.1f} s, p99 {p99:.1f} s ({count:,} records)"
    )


def _warm_up(servers: str, share: Iterator[Record], landing: Path) -> None:
    """Return when the job has landed for a while: its start is no latency."""
    before, deadline = _commits(landing), time.monotonic() + 120
    produce(servers, share, 1)
    while _commits(landing) == before:
        if time.monotonic() > deadline:
            raise RuntimeError("the landing job did not start")
        time.sleep(0.2)
    produce(servers, share, 20 * _PER_SECOND, per_second=_PER_SECOND)


def _commits(landing: Path) -> list[Path]:
    return sorted((landing / "_ledger").glob("*.jsonl"))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--latency-seconds", type=int, default=60, help="0: leave latency out")
    parser.add_argument("--partitions", type=int, help="of each topic; otherwise as declared")
    parser.add_argument("--keep", type=Path, help="work here and leave everything")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = Services(folder / "services", postgres=False, connect=False)
        servers = stack.enter_context(services).bootstrap_servers
        declared = load()
        if options.partitions:
            tables = (replace(each, partitions=options.partitions) for each in declared.tables)
            declared = replace(declared, tables=tuple(tables))
        services.create_topics("sqlserver", declared)
        environment = {
            "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": servers,
            "LAKEHOUSE_SOURCE": "sqlserver",
            "LAKEHOUSE_LANDING": str(folder / "landing"),
            "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
            "LAKEHOUSE_DUCKDB": str(folder / "warehouse.duckdb"),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        first: Mapping[str, float] | None = None
        accepted = 0
        makers = stack.enter_context(Makers(servers, options.events))
        for events in (options.events, options.events // 100):
            started = time.monotonic()
            makers.make(events)
            _console.print(f"{events:,} events made in {time.monotonic() - started:.0f} s")
            accepted += events
            landed = land(environment)
            built, layers = build(environment)
            _report(events, landed, built, layers, first)
            first = layers
            found = check(folder / "warehouse.duckdb", accepted)
            _console.print(", ".join(f"{count:,} {name}" for name, count in found.items()))
        if options.latency_seconds:
            for interval in (5.0, 1.0):
                _console.print(latency(servers, environment, options.latency_seconds, interval))


def _report(
    events: int,
    landed: Step,
    built: Step,
    layers: Mapping[str, float],
    first: Mapping[str, float] | None,
) -> None:
    shown = Table(
        "step", "wall s", "of it start-up s", "CPU s", "peak MB", "events/s", "without start-up",
        title=f"{events:,} events from Kafka to the star",
    )  # fmt: skip
    steps = [landed, built]
    whole = Step(
        "all",
        Cost(
            sum(step.cost.wall_seconds for step in steps),
            sum(step.cost.cpu_seconds for step in steps),
            max(step.cost.peak_bytes for step in steps),
        ),
        sum(step.start_up_seconds for step in steps),
    )
    for step in (*steps, whole):
        wall = step.cost.wall_seconds
        shown.add_row(
            step.name,
            f"{wall:.1f}",
            f"{step.start_up_seconds:.1f}",
            f"{step.cost.cpu_seconds:.1f}",
            f"{step.cost.peak_bytes / 1e6:,.0f}",
            f"{events / wall:,.0f}",
            f"{events / max(wall - step.start_up_seconds, 0.1):,.0f}",
        )
    _console.print(shown)
    nodes = ", ".join(f"{layer} {seconds:.1f}" for layer, seconds in sorted(layers.items()))
    _console.print(f"seconds of dbt's nodes, two at a time: {nodes}")
    goals = [
        judged("events a second", events / whole.cost.wall_seconds, "at least", 60_000),
        judged("GB of memory", whole.cost.peak_bytes / 1e9, "at most", 6),
        judged("CPU us to land an event", 1e6 * landed.cost.cpu_seconds / events, "at most", 5),
    ]
    if first:
        ours, whole_build = (sum(of.values()) - of["tests"] for of in (layers, first))
        share = ours / whole_build
        _console.print(f"models and snapshots: {ours:.1f} s, {share:.1%} of the first build's")
        goals = [judged("% of the first build's models and snapshots", 100 * share, "at most", 5)]
    if (events * 100 if first else events) >= _GOALS_FROM:
        _console.print("\n".join(goals))


if __name__ == "__main__":
    main()
