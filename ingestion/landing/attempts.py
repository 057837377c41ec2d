"""How much is tried at once, by what has failed at the same offsets before.

Spark's Kafka source knows no limit in bytes, and a process that was killed remembers nothing. So
each session writes down beforehand where it begins, and what ends in order is crossed out. Who
finds an attempt at an offset where it begins itself takes less: fewer records from Kafka at a time
first, then fewer partitions, then one alone and fewer offsets, at last one offset. That is a
guarantee; bytes are an estimate.
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
# Who was begun so often at one offset, and did not end, may be why.
_SUSPECTED = 2
# No single offset is given up before.
LAST_ATTEMPT = 6


@dataclass(frozen=True)
class Size:
    """What a session takes: offsets in a batch, records that Kafka's client unpacks at a time."""

    max_offsets: int
    poll_records: int
    is_alone: bool = False


@dataclass(frozen=True)
class Attempt:
    """What a session is to try: its partitions, how much of them, the how manieth try it is.

    `is_last`: a single offset, not for the first time.
    """

    starts: tuple[Start, ...]
    size: Size
    number: int
    is_last: bool = False


def next_attempt(
    starts: Iterable[Start],
    tried: Mapping[Place, tuple[int, int]],
    max_offsets: int,
    *,
    suspects_wait: bool = False,
) -> Attempt:
    """What to try, after `tried`: by partition an offset, and how often it was begun there.

    Who was begun twice is suspected, and goes apart from the others: in halves of all there are,
    then in halves of those, at last alone. A plain kill makes everyone a suspect, and costs a few
    sessions more. `suspects_wait`: the others come first, if there is something of theirs to land.
    """
    every = tuple(starts)
    failed = {start: _times(start, tried) for start in every if start.until > start.from_offset}
    suspects = [start for start, times in failed.items() if times >= _SUSPECTED]
    others = tuple(start for start in every if failed.get(start, 0) < _SUSPECTED)
    if not suspects or (suspects_wait and any(start in failed for start in others)):
        times = max((failed.get(start, 0) for start in others), default=0)
        return Attempt(others, Size(max_offsets, 1000 if times == 0 else 100), times + 1)
    times = min(failed[start] for start in suspects)
    width = max(1, len(every) >> (times - 1))
    chosen = tuple(start for start in suspects if failed[start] == times)[:width]
    if width > 1:
        return Attempt(chosen, Size(max(1, max_offsets // 10), 10), times + 1)
    sizes = (max_offsets // 100, max_offsets // 10_000, 1)
    alone = times - max(_SUSPECTED, len(every).bit_length())
    size = Size(max(1, sizes[min(alone, 2)]), 1, is_alone=True)
    (start,) = chosen
    again = tried[start.topic, start.partition.number][0] == start.from_offset
    return Attempt(chosen, size, times + 1, is_last=again and alone > len(sizes) - 1)


def _times(start: Start, tried: Mapping[Place, tuple[int, int]]) -> int:
    offset, times = tried.get((start.topic, start.partition.number), (0, 0))
    if offset == start.from_offset:
        return times
    # It has come on since, in small steps: not the largest at once.
    return max(_SUSPECTED, times - 3) if times > _SUSPECTED else 0


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
