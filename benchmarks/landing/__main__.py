"""Ours and its peers, alternating, on the same topic in the same minutes.

    python benchmarks/landing/run.py EVENTS [ROUNDS] [--servers HOST:PORT]

Starts a broker of its own (or uses the given one), produces EVENTS envelopes of 629 bytes to the
topic of the table `orders`, and lands all of them ROUNDS times with each contender. Prints events
per CPU-second (of the whole process tree), wall time and peak memory. A round in which the hand
loop stays below 180,000 is void: the machine was busy.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.declarations import load
from playground.services import Services

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Usage:
    """CPU seconds so far and memory (bytes) of a process with all that it started."""

    pid: int
    peak_memory: int = 0
    samples: list[tuple[float, float, int]] = field(default_factory=list)

    def cpu(self) -> float:
        total = 0.0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(value) for value in fields[11:15]) / TICKS
        return total

    def memory(self) -> int:
        resident = 0
        for pid in self._tree():
            with contextlib.suppress(OSError):
                resident += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
        self.peak_memory = max(self.peak_memory, resident)
        return resident

    def _tree(self) -> Iterator[int]:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text()
                    parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        for pid in parents:
            ancestor = pid
            while ancestor not in (self.pid, 0, 1):
                ancestor = parents.get(ancestor, 0)
            if ancestor == self.pid:
                yield pid


def ours(servers: str, folder: Path, events: int) -> None:
    """`lakehouse land --once`, every safety on."""
    environment = os.environ | {
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": servers,
        "LAKEHOUSE_SOURCE": "postgresql",
        "LAKEHOUSE_LANDING": str(folder / "landing"),
        "LAKEHOUSE_CHECKPOINTS": str(folder / "checkpoints"),
    }
    started = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from ingestion.cli import main; main()",
            "land",
            "--once",
            "--tables",
            "orders",
        ],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL,
    )
    usage = Usage(process.pid)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            usage.memory()

    watcher = threading.Thread(target=watch)
    watcher.start()
    batches: list[tuple[int, float, int]] = []
    assert process.stdout is not None
    for line in process.stdout:
        words = line.split()
        if len(words) > 2 and words[1] == "landed":
            batches.append((int(words[2].replace(",", "")), usage.cpu(), usage.memory()))
    whole = usage.cpu() or batches[-1][1]
    wall = time.monotonic() - started
    done.set()
    watcher.join()
    assert process.wait() == 0
    landed = sum(rows for rows, _, _ in batches)
    assert landed == events, f"{landed} of {events} were landed"
    whole = max(whole, batches[-1][1])
    warm = batches[len(batches) // 4 :] if len(batches) > 4 else batches
    steady = sum(rows for rows, _, _ in warm[1:]) / max(warm[-1][1] - warm[0][1], 0.01)
    memory = [held // 1_000_000 for _, _, held in batches]
    print(
        f"ours: {landed} events, {landed / whole:,.0f} per CPU-second with start-up, {steady:,.0f} "
        f"steady, {landed / wall:,.0f} per second, peak {usage.peak_memory / 1e6:.0f} MB; memory "
        f"at a quarter, half and the end: {memory[len(memory) // 4]}, {memory[len(memory) // 2]}, "
        f"{memory[-1]} MB",
        flush=True,
    )


def peer(script: str, servers: str, topic: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, HERE / script, servers, topic, *arguments],
        check=True,
        stderr=subprocess.DEVNULL,
    )


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
            peer("hand_loop.py", servers, topic, str(out / "hand"))
            ours(servers, out / "ours", given.events)
            jars = str(ROOT / ".jars/spark")
            peer("spark_file_sink.py", servers, topic, str(out / "spark"), jars)
            shutil.rmtree(out)


if __name__ == "__main__":
    main()
