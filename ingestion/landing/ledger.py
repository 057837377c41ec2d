"""The ledger: which offsets are landed or declared lost. It is the truth about progress.

One file a commit, `_ledger/<sequence>.jsonl`, created put-if-absent, one JSON object a line.
Spark's checkpoint is only a working file of one run: every run starts where the ledger ends.
`_progress/<sequence>.json` is the ledger folded up to a commit, so that a start does not read
all that was ever committed; it can be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

from ingestion.errors import TerminalError
from ingestion.landing import layout
from ingestion.landing.layout import Partition
from ingestion.landing.storage import Storage

# A start reads no more commits than these, however many there have been.
SUMMARY_EVERY = 200

Kind = Literal["landed", "lost", "truncated"]


@dataclass(frozen=True)
class Entry:
    """A range of offsets of one partition that is landed, or lost and accepted as such.

    `from_offset` is inclusive, `until_offset` exclusive. `rows` may be smaller than their
    difference: transaction markers, aborted records and compaction leave gaps that are no loss.
    An empty range opens a partition: it gives the topic's id its incarnation before any file is
    visible. An empty range of kind `truncated` says that the topic once ended before it. `file` is
    relative to the landing zone, None where there are no rows.
    """

    table: str
    topic: str
    topic_id: str
    incarnation: int
    kafka_partition: int
    from_offset: int
    until_offset: int
    rows: int
    kind: Kind
    committed_at: str
    file: str | None

    @property
    def partition(self) -> Partition:
        """The partition that the range belongs to."""
        return Partition(self.table, self.incarnation, self.kafka_partition)

    def to_json(self) -> str:
        """The entry as one line of a ledger file, without the line's end."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Entry:
        """The entry that `to_json` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Position:
    """How far a partition has come; `landed_at` is when its newest records were (ISO, UTC).

    `truncated`: the topic was seen to end before `until_offset`; the offsets before it may hold
    other records by now than those that were landed.
    """

    topic: str
    topic_id: str
    until_offset: int
    landing_date: date | None
    landed_at: str | None = None
    truncated: bool = False


@dataclass(frozen=True)
class Progress:
    """The ledger folded: the position of each partition that was ever opened."""

    positions: Mapping[Partition, Position] = field(default_factory=dict)

    def incarnation(self, table: str, topic: str) -> tuple[int, str] | None:
        """The newest incarnation of `topic` in `table` and its topic id, None if never landed."""
        known = [
            (partition.incarnation, position.topic_id)
            for partition, position in self.positions.items()
            if partition.table == table and position.topic == topic
        ]
        return max(known, default=None)

    def next_incarnation(self, table: str) -> int:
        """The number that the next new topic of `table` gets; the first one is 1."""
        return 1 + max((p.incarnation for p in self.positions if p.table == table), default=0)

    def to_json(self) -> list[dict[str, Any]]:
        """The positions as JSON values."""
        return [
            asdict(partition)
            | asdict(position)
            | {"landing_date": position.landing_date and position.landing_date.isoformat()}
            for partition, position in self.positions.items()
        ]

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, Any]]) -> Progress:
        """The progress that `to_json` gave."""
        positions = {}
        for value in values:
            fields = dict(value)
            partition = Partition(
                *(fields.pop(name) for name in ("table", "incarnation", "number"))
            )
            if fields["landing_date"] is not None:
                fields["landing_date"] = date.fromisoformat(fields["landing_date"])
            positions[partition] = Position(**fields)
        return cls(positions)


def fold(entries: Iterable[Entry], progress: Progress | None = None) -> Progress:
    """Advance `progress` (default: nothing landed) by `entries`, in the order of the ledger.

    Raises:
        TerminalError: the ranges of a partition leave a gap or overlap (the first one begins at 0
            or is empty, opening the partition there); the message names it.
    """
    positions = dict(progress.positions) if progress is not None else {}
    for entry in entries:
        known = positions.get(entry.partition)
        opens = known is None and entry.from_offset == entry.until_offset
        until = known.until_offset if known else 0
        if entry.from_offset != until and not opens:
            what = "a gap" if entry.from_offset > until else "an overlap"
            low, high = sorted((until, entry.from_offset))
            raise TerminalError(
                f"the ledger has {what} at topic {entry.topic}, {entry.partition}, offsets "
                f"{low} to {high}: a ledger file was removed or changed. Restore the folder "
                f"{layout.LEDGER} from its backup or its earlier object versions."
            )
        landed = layout.parse(entry.file) if entry.file else None
        positions[entry.partition] = Position(
            topic=entry.topic,
            topic_id=entry.topic_id,
            until_offset=entry.until_offset,
            landing_date=landed.landing_date if landed else (known.landing_date if known else None),
            landed_at=entry.committed_at if landed else (known.landed_at if known else None),
            truncated=entry.kind == "truncated" or (known is not None and known.truncated),
        )
    return Progress(positions)


class FencedError(TerminalError):
    """Another job writes what this one wrote so far."""


class Ledger:
    """The ledger in a landing zone, read once and kept up to date by this process's commits.

    With `verify` every commit is read, and its summaries are not trusted.
    """

    def __init__(self, storage: Storage, *, verify: bool = False) -> None:
        self._storage = storage
        self._sequence, self.progress = (0, Progress()) if verify else self._summarised()
        self.refresh()

    def refresh(self) -> list[Entry]:
        """Read what others have committed since; returns their entries, oldest first.

        Raises:
            TerminalError: a ledger file is missing or unreadable, or ranges do not join.
        """
        fresh: list[Entry] = []
        for path in self._storage.list_files(layout.LEDGER, after=_file_of(self._sequence)):
            sequence = int(path.removeprefix(f"{layout.LEDGER}/").removesuffix(".jsonl"))
            if sequence != self._sequence + 1:
                raise TerminalError(
                    f"the ledger file {_file_of(self._sequence + 1)} is missing: restore it from "
                    "its backup or its earlier object versions; what it committed is unknown"
                )
            fresh += _parse(path, self._storage.read(path))
            self._sequence = sequence
        self.progress = fold(fresh, self.progress)
        return fresh

    def append(self, entries: Sequence[Entry]) -> None:
        """Commit `entries` as one file, all or none.

        Raises:
            FencedError: somebody else has committed ranges of the same partitions meanwhile.
        """
        ours = {entry.partition for entry in entries}
        advanced = fold(entries, self.progress)
        content = "".join(f"{entry.to_json()}\n" for entry in entries).encode()
        while not self._storage.put_if_absent(_file_of(self._sequence + 1), content):
            for entry in self.refresh():
                if entry.partition in ours:
                    raise FencedError(
                        f"another job has landed topic {entry.topic}, {entry.partition}, offsets "
                        f"{entry.from_offset} to {entry.until_offset} (at {entry.committed_at}): "
                        "this job is no longer its writer and stops. Nothing is lost; see who "
                        "writes with `lakehouse landing status`."
                    )
            advanced = fold(entries, self.progress)
        self._sequence += 1
        self.progress = advanced
        if self._sequence % SUMMARY_EVERY == 0:
            self._summarise(content)

    def _summarise(self, last: bytes) -> None:
        """Write the progress up to the commit whose content is `last`; keep one summary before."""
        summary = {"last": _digest(last), "positions": self.progress.to_json()}
        self._storage.put(
            f"{layout.PROGRESS}/{self._sequence:020d}.json", json.dumps(summary).encode()
        )
        for old in self._storage.list_files(layout.PROGRESS)[:-2]:
            self._storage.delete(old)

    def _summarised(self) -> tuple[int, Progress]:
        """The newest summary that belongs to the ledger as it is.

        One that was written before the ledger was restored from a backup may not.
        """
        for path in reversed(self._storage.list_files(layout.PROGRESS)):
            sequence = int(path.removeprefix(f"{layout.PROGRESS}/").removesuffix(".json"))
            try:
                summary = json.loads(self._storage.read(path))
                if summary["last"] == _digest(self._storage.read(_file_of(sequence))):
                    return sequence, Progress.from_json(summary["positions"])
            except (FileNotFoundError, ValueError, TypeError, KeyError):
                continue
        return 0, Progress()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file_of(sequence: int) -> str:
    return f"{layout.LEDGER}/{sequence:020d}.jsonl"


def _parse(path: str, content: bytes) -> list[Entry]:
    try:
        return [Entry.from_json(line) for line in content.decode().splitlines()]
    except (ValueError, TypeError) as error:
        raise TerminalError(f"the ledger file {path} cannot be read: {error}") from error
