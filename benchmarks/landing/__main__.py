"""Ours and its peers, alternating, on the same topic in the same minutes.

    python -m benchmarks.landing EVENTS [ROUNDS] [--servers HOST:PORT]

Starts a broker of its own (or uses the given one), produces EVENTS envelopes of 629 bytes to the
topic of the table `orders`, and lands all of them ROUNDS times with each contender. Prints events
per CPU-second (of the whole process tree), wall time and peak memory. A round in which the hand
loop stays below 180,000 is void: the machine was busy.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import ROOT, judged, run
from ingestion.declarations import load
from playground.services import Services

HERE = Path(__file__).parent


def ours(servers: str, folder: Path, events: int) -> tuple[float, float]:
    """`lakehouse land --once`, every safety on: events per CPU-second, steady and in all."""
    environment = {
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": servers,
        "LAKEHOUSE_SOURCE": "postgresql",
        "LAKEHOUSE_LANDING": str(folder / "landing"),
        "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
    }
    lakehouse = str(Path(sys.executable).with_name("lakehouse"))
    cost = run([lakehouse, "land", "--once", "--tables", "orders"], environment)
    batches = [
        (int(found[1].replace(",", "")), line)
        for line in cost.lines
        if (found := re.search(r"landed ([\d,]+) records", line.text))
    ]
    landed = sum(rows for rows, _ in batches)
    assert landed == events, f"{landed} of {events} were landed"
    # Warm: what Java still compiles in the first quarter is not what an endless job costs.
    warm = batches[len(batches) // 4 :] if len(batches) > 4 else batches
    used = warm[-1][1].cpu_seconds - warm[0][1].cpu_seconds
    steady = sum(rows for rows, _ in warm[1:]) / max(used, 0.01)
    whole = landed / cost.cpu_seconds
    held = [line.memory_bytes // 1_000_000 for _, line in batches]
    print(
        f"ours: {landed} events, {whole:,.0f} per CPU-second with start-up, "
        f"{steady:,.0f} steady, {landed / cost.wall_seconds:,.0f} per second, peak "
        f"{cost.peak_bytes / 1e6:.0f} MB; memory at a quarter, half and the end: "
        f"{held[len(held) // 4]}, {held[len(held) // 2]}, {held[-1]} MB",
        flush=True,
    )
    return steady, whole


def peer(script: str, servers: str, topic: str, *arguments: str) -> str:
    """What it says, which is printed too."""
    said = subprocess.run(
        [sys.executable, HERE / script, servers, topic, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout
    print(said, end="", flush=True)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=int)
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--servers")
    given = parser.parse_args()
    topic = load().table("orders").topics["postgresql"]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = given.servers
        if servers is None:
            services = Services(folder / "services", postgres=False, connect=False)
            servers = stack.enter_context(services).bootstrap_servers
            peer("generate.py", servers, topic, str(given.events))
        for _ in range(given.rounds):
            out = folder / "out"
            said = peer("hand_loop.py", servers, topic, str(out / "hand"))
            [rate] = re.findall(r"([\d,]+) per CPU-second", said)
            by_hand = int(rate.replace(",", ""))
            steady, whole = ours(servers, out / "ours", given.events)
            print(judged("steady / hand loop", steady / by_hand, "at least", 1))
            print(judged("with start-up / hand loop", whole / by_hand, "at least", 0.8))
            jars = str(ROOT / ".jars/spark")
            peer("spark_file_sink.py", servers, topic, str(out / "spark"), jars)
            shutil.rmtree(out)


if __name__ == "__main__":
    main()
