"""Makes a failing log small enough to be read: all simpler ones of a step share one warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tests.kit.logs import ROWS
from tests.kit.worked import Cells, WorkedHistory

Fails = Callable[[Sequence[WorkedHistory]], list[bool]]
MAX_STEPS = 25


def shrink(log: WorkedHistory, fails: Fails) -> WorkedHistory:
    """The simplest log that still fails; `log` itself when it fails only among others."""
    for _ in range(MAX_STEPS):
        candidates = list(simpler(log))
        smaller = (
            candidate
            for candidate, failed in zip(candidates, fails(candidates), strict=True)
            if failed
        )
        simplest = next(smaller, None)
        if simplest is None:
            return log
        log = simplest
    return log


def simpler(log: WorkedHistory) -> Iterator[WorkedHistory]:
    """Logs that are one step simpler, the greatest steps first."""
    seen = [log.log]
    for lines in _simpler_lines(log):
        if lines and lines not in seen:
            seen.append(lines)
            yield replace(log, log=lines)


def _simpler_lines(log: WorkedHistory) -> Iterator[tuple[Cells, ...]]:
    lines = log.log
    half = len(lines) // 2
    yield lines[:half]
    yield lines[half:]
    for key in {line["key"] for line in lines}:
        yield tuple(line for line in lines if line["key"] == key)
    for number in range(len(lines)):
        yield (*lines[:number], *lines[number + 1 :])
    yield tuple({**line, "run": "1"} for line in lines)
    for run in {line["run"] for line in lines}:
        yield tuple(
            {**line, "run": str(int(line["run"]) - 1)} if line["run"] >= run > "1" else line
            for line in lines
        )
    yield tuple({**line, "partition": "0", "incarnation": "0"} for line in lines)
    yield tuple(
        {name: cell for name, cell in line.items() if name != "delivered"} for line in lines
    )
    yield from _simpler_cells(log)


def _simpler_cells(log: WorkedHistory) -> Iterator[tuple[Cells, ...]]:
    simple = ROWS[log.table.name][:2]
    for number, line in enumerate(log.log):
        for name in ("row", "before"):
            for cell in simple:
                if line[name] not in ("", *simple):
                    changed = {**line, name: cell}
                    yield (*log.log[:number], changed, *log.log[number + 1 :])
