"""How much is tried at once, by what has failed at the same offsets before.

Spark's Kafka source knows no limit in bytes, and a process that was killed remembers nothing. So
each session writes down beforehand where it begins, and what ends in order is crossed out. Who
finds an attempt at an offset where it begins itself takes less: fewer records from Kafka at a time
first, then one partition alone and fewer offsets, at last one offset. That is a guarantee; bytes
are an estimate.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingestion.landing.plan import Start
from ingestion.landing.storage import Storage

Place = tuple[str, int]  # topic and partition number
FOLDER = "attempts"
# So often a single offset is tried that does no more fail by chance.
LAST_ATTEMPT = 6


@dataclass(frozen=True)
class Size:
    """What a session takes: offsets in a batch, records that Kafka's client unpacks at a time."""

    max_offsets: int
    poll_records: int
    is_alone: bool = False


@dataclass(frozen=True)
class Attempt:
    """What a session is to try: its partitions, how much of them, the how manieth try it is."""

    starts: tuple[Start, ...]
    size: Size
    number: int


def next_attempt(
    starts: Iterable[Start], tried: Mapping[Place, tuple[int, int]], max_offsets: int
) -> Attempt:
    """What to try, after `tried`: by partition an offset, and how often it was begun there."""
    sizes = (
        Size(max_offsets, 1000),
        Size(max_offsets, 100),
        Size(max(1, max_offsets // 100), 1, is_alone=True),
        Size(max(1, max_offsets // 10_000), 1, is_alone=True),
        Size(1, 1, is_alone=True),
    )
    every = tuple(starts)
    failed = {start: _times(start, tried) for start in every if start.until > start.from_offset}
    suspects = [start for start, times in failed.items() if sizes[min(times, 4)].is_alone]
    chosen = (suspects[0],) if suspects else every
    times = max((failed.get(start, 0) for start in chosen), default=0)
    return Attempt(chosen, sizes[min(times, 4)], times + 1)


def _times(start: Start, tried: Mapping[Place, tuple[int, int]]) -> int:
    offset, times = tried.get((start.topic, start.partition.number), (0, 0))
    if offset == start.from_offset:
        return times
    # It has come on since, in small steps: not the largest at once.
    return 2 if times > 2 else 0


def read_tried(checkpoints: Storage, file: str) -> dict[Place, tuple[int, int]]:
    """By partition the offset where attempts began that did not end in order, and their number.

    What cannot be read was not tried: it is a help, never the truth.
    """
    try:
        rows = json.loads(checkpoints.read(file))
        return {(topic, number): (offset, times) for topic, number, offset, times in rows}
    except (FileNotFoundError, ValueError, TypeError):
        return {}


class Attempts:
    """The attempts of the jobs of some tables, in the checkpoints."""

    def __init__(self, checkpoints: Storage, tables: Iterable[str]) -> None:
        name = hashlib.sha256(",".join(sorted(tables)).encode()).hexdigest()[:16]
        self._file = f"{FOLDER}/{name}.json"
        self._checkpoints = checkpoints

    def tried(self) -> dict[Place, tuple[int, int]]:
        """What these jobs have tried."""
        return read_tried(self._checkpoints, self._file)

    def begin(self, tried: Mapping[Place, tuple[int, int]], attempt: Attempt) -> None:
        """Write down that `attempt` begins."""
        pending = [start for start in attempt.starts if start.until > start.from_offset]
        begun = {
            (s.topic, s.partition.number): (s.from_offset, _times(s, tried) + 1) for s in pending
        }
        if begun:
            self.keep({**tried, **begun})

    def keep(self, tried: Mapping[Place, tuple[int, int]]) -> None:
        """Write down `tried` in the place of what is there."""
        rows = [(*place, *begun) for place, begun in sorted(tried.items())]
        self._checkpoints.put(self._file, json.dumps(rows).encode())
