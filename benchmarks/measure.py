"""What a command costs: wall time, CPU time and memory of it with all that it starts (Linux)."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Line:
    """A line that the command wrote, and what it had used by then."""

    text: str
    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int


@dataclass
class Cost:
    """What a finished command has used; memory is resident, of all its processes together."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    lines: list[Line] = field(default_factory=list)


def run(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run `command` in the project's folder to its end.

    Raises:
        RuntimeError: it failed; the message is what it wrote.
    """
    cost, done = Cost(), threading.Event()
    before = _waited_for()
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def sample() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            look()

    def look() -> int:
        cpu, memory = _usage(process.pid)
        cost.cpu_seconds = max(cost.cpu_seconds, cpu)
        cost.peak_bytes = max(cost.peak_bytes, memory)
        return memory

    sampler = threading.Thread(target=sample)
    sampler.start()
    assert process.stdout is not None
    for text in process.stdout:
        memory = look()
        wall = time.monotonic() - started
        cost.lines.append(Line(text.rstrip(), wall, cost.cpu_seconds, memory))
    process.wait()
    done.set()
    sampler.join()
    cost.wall_seconds = time.monotonic() - started
    # Exact where the command waits for what it started; Spark's Python does not, and was sampled.
    cost.cpu_seconds = max(cost.cpu_seconds, _waited_for() - before)
    if process.returncode != 0:
        said = "\n".join(line.text for line in cost.lines[-40:])
        raise RuntimeError(f"{' '.join(command)} failed:\n{said}")
    return cost


def judged(what: str, measured: float, bound: Literal["at most", "at least"], limit: float) -> str:
    """The line that says whether a goal is met."""
    met = measured <= limit if bound == "at most" else measured >= limit
    verdict = "met" if met else "not met"
    return f"goal: {what} {bound} {limit:,g}: {measured:,.4g}, {verdict}"


def _waited_for() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _usage(root: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of the process `root` and its descendants."""
    parents, stats = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)], stats[int(entry.name)] = int(fields[1]), fields
    cpu, memory = 0, 0
    for pid, fields in stats.items():
        ancestor = pid
        while ancestor not in (root, 0, 1):
            ancestor = parents.get(ancestor, 0)
        if ancestor == root:
            cpu += sum(int(value) for value in fields[11:15])
            memory += int(fields[21]) * _PAGE
    return cpu / _TICKS, memory
