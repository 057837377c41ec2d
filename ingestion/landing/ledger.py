"""The ledger: which offsets are landed or declared lost. It is the truth about progress.

One file per commit, `_ledger/<sequence>.jsonl`, created put-if-absent, one JSON object per line.
Spark's checkpoint is only a working file of one run: every run starts where the ledger ends.

Every 1,000 commits the ledger rolls itself up: `_ledger/rolled/<sequence>.jsonl` is the whole of it
up to that commit, a range per partition and landing date. Who reads the ledger (a start, dbt) reads
the newest roll-up and the commits behind it. Commits that have been rolled up for a day are
removed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from multiprocessing.pool import ThreadPool
from typing import Literal

from ingestion.errors import TerminalError
from ingestion.landing import layout
from ingestion.landing.crash_points import reach
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.storage import AT_ONCE, Storage

# Readers open no more commits than these, and as many again while one rolls them up.
ROLL_UP_EVERY = 1000
# Longer than any reader takes from listing the commits to having read them.
KEEP_ROLLED_UP_SECONDS = 24 * 3600.0
_COMMIT = re.compile(rf"{layout.LEDGER}/(\d{{20}})\.jsonl")
_ROLL_UP = re.compile(rf"{layout.ROLLED_UP}/(\d{{20}})\.jsonl")

Kind = Literal["landed", "lost", "truncated"]


@dataclass(frozen=True)
class Entry:
    """A range of offsets of one partition that is landed, or lost and accepted as such.

    `from_offset` is inclusive, `until_offset` exclusive. `rows` may be smaller than their
    difference: transaction markers, aborted records and compaction leave gaps that are no loss.
    An empty range opens a partition: it gives the topic's id its incarnation before any file is
    visible. An empty range of kind `truncated` says that the topic once ended before it. `file` is
    relative to the landing zone, None where there are no rows; in a roll-up it names range and date
    of several files, as compaction does.
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
        """The entry that `to_json` wrote.

        Raises:
            ValueError, TypeError: it is none.
        """
        entry = cls(**json.loads(line))
        numbers = (entry.incarnation, entry.kafka_partition, entry.from_offset, entry.until_offset)
        texts = (entry.table, entry.topic, entry.topic_id, entry.kind, entry.committed_at)
        if not (
            all(type(value) is int for value in (*numbers, entry.rows))
            and all(type(value) is str for value in (*texts, entry.file or ""))
        ):
            raise TypeError(f"a value has another type than it should: {line}")
        return entry


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


def roll_up(entries: Iterable[Entry]) -> list[Entry]:
    """`entries` with the landed ranges of a partition and date that join as one.

    It folds to the same progress. What is lost or truncated stays as it was entered.
    """
    rolled: list[Entry] = []
    last: dict[Partition, int] = {}
    for entry in entries:
        place = last.get(entry.partition)
        joined = None if place is None else _joined(rolled[place], entry)
        if place is not None and joined is not None:
            rolled[place] = joined
        else:
            last[entry.partition] = len(rolled)
            rolled.append(entry)
    return rolled


def _joined(before: Entry, entry: Entry) -> Entry | None:
    """Both ranges as one, None where that would say something else."""
    dates = {file.landing_date for file in (_file(before), _file(entry)) if file is not None}
    opens_later = before.from_offset == before.until_offset > 0
    if (
        not before.kind == entry.kind == "landed"
        or before.until_offset != entry.from_offset
        or (before.topic, before.topic_id) != (entry.topic, entry.topic_id)
        or opens_later
        or len(dates) > 1
    ):
        return None
    whole = replace(entry, from_offset=before.from_offset, rows=before.rows + entry.rows)
    if not dates:
        return whole
    # Ranges without records say nothing of when the partition's newest ones were landed.
    committed_at = entry.committed_at if entry.file else before.committed_at
    file = DataFile(entry.partition, dates.pop(), whole.from_offset, whole.until_offset)
    return replace(whole, file=file.path, committed_at=committed_at)


def _file(entry: Entry) -> DataFile | None:
    return layout.parse(entry.file) if entry.file else None


def entries(storage: Storage, last: int | None = None) -> list[Entry]:
    """The ledger (up to commit `last`) in order; what was rolled up as the ranges that it became.

    Raises:
        TerminalError: a ledger file is unreadable.
    """
    rolled_up = max(_sequences(storage, _ROLL_UP), default=0)
    files = [_roll_up_file(rolled_up)] if rolled_up else []
    commits = [n for n in _sequences(storage, _COMMIT) if n > rolled_up]
    files += [_commit_file(n) for n in commits if last is None or n <= last]
    return _read(storage, files)


class FencedError(TerminalError):
    """Another job writes what this one wrote so far."""


class Ledger:
    """The ledger in a landing zone, read once and kept up to date by this process's commits."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._sequence = 0
        self.progress = Progress()
        self.refresh()

    def refresh(self) -> None:
        """Read what others have committed since.

        Raises:
            TerminalError: a ledger file is missing or unreadable, or ranges do not join.
        """
        commits = _sequences(self._storage, _COMMIT, after=_commit_file(self._sequence))
        if self._sequence and not commits:
            return
        sequence, progress = self._sequence, self.progress
        # Where others have committed much, some of it may be there only as a roll-up.
        rolled_up = max(_sequences(self._storage, _ROLL_UP), default=0)
        if rolled_up > sequence:
            sequence = rolled_up
            progress = fold(_read(self._storage, [_roll_up_file(rolled_up)]))
        behind = [number for number in commits if number > sequence]
        for expected, found in enumerate(behind, sequence + 1):
            if found != expected:
                raise TerminalError(
                    f"the ledger file {_commit_file(expected)} is missing: restore it from "
                    "its backup or its earlier object versions; what it committed is unknown"
                )
        self.progress = fold(_read(self._storage, map(_commit_file, behind)), progress)
        self._sequence = sequence + len(behind)

    def has_more(self) -> bool:
        """Whether others have committed since: one look, however long the ledger is."""
        try:
            self._storage.read(_commit_file(self._sequence + 1))
        except FileNotFoundError:
            return False
        return True

    def append(self, entries: Sequence[Entry]) -> None:
        """Commit `entries` as one file, all or none.

        Raises:
            FencedError: somebody else has committed ranges of the same partitions meanwhile.
        """
        before = {entry.partition: self._position(entry.partition) for entry in entries}
        content = "".join(f"{entry.to_json()}\n" for entry in entries).encode()
        while True:
            # Also what is put if absent must be looked for first: the name of a commit that was
            # removed after a roll-up is free again.
            self.refresh()
            for partition, known in before.items():
                now = self._position(partition)
                if now is not None and now != known:
                    raise FencedError(
                        f"another job has landed topic {now.topic}, {partition}, offsets "
                        f"{known.until_offset if known else 0} to {now.until_offset} (at "
                        f"{now.landed_at}): this job is no longer its writer and stops. Nothing is "
                        "lost; see who writes with `lakehouse landing status`."
                    )
            advanced = fold(entries, self.progress)
            if self._storage.put_if_absent(_commit_file(self._sequence + 1), content):
                break
        self._sequence += 1
        self.progress = advanced
        if self._sequence % ROLL_UP_EVERY == 0:
            self._roll_up()
            retire(self._storage, time.time())

    def _position(self, partition: Partition) -> Position | None:
        return self.progress.positions.get(partition)

    def _roll_up(self) -> None:
        """Write the whole ledger up to the last commit as ranges.

        Raises:
            TerminalError: they would not say the same as the commits; nothing was written.
        """
        rolled = roll_up(entries(self._storage, self._sequence))
        if fold(rolled) != self.progress:
            raise TerminalError(
                f"{_roll_up_file(self._sequence)} would not say what the ledger says; it was not "
                "written. Start landing again."
            )
        content = "".join(f"{entry.to_json()}\n" for entry in rolled).encode()
        self._storage.put(_roll_up_file(self._sequence), content)
        reach("ledger_rolled_up")


def retire(storage: Storage, now: float) -> None:
    """Remove what a roll-up has replaced for long enough; its own last commit stays."""
    rolled_up = _sequences(storage, _ROLL_UP)
    settled = next(
        (
            number
            for number in reversed(rolled_up)
            if now - storage.modified_at(_roll_up_file(number)) >= KEEP_ROLLED_UP_SECONDS
        ),
        0,
    )
    doomed = [_commit_file(number) for number in _sequences(storage, _COMMIT) if number < settled]
    doomed += [_roll_up_file(number) for number in rolled_up if number < settled]

    def remove(path: str) -> None:
        storage.delete(path)
        reach("ledger_retiring")

    with ThreadPool(AT_ONCE) as pool:
        pool.map(remove, doomed)


def _sequences(storage: Storage, kind: re.Pattern[str], after: str = "") -> list[int]:
    """The numbers of the ledger's commits or roll-ups, rising."""
    folder = layout.LEDGER if kind is _COMMIT else layout.ROLLED_UP
    named = (kind.fullmatch(path) for path in storage.list_files(folder, after))
    return [int(match[1]) for match in named if match is not None]


def _read(storage: Storage, files: Iterable[str]) -> list[Entry]:
    paths = list(files)
    with ThreadPool(min(AT_ONCE, len(paths) or 1)) as pool:
        contents = pool.map(storage.read, paths)
    return [
        entry
        for path, content in zip(paths, contents, strict=True)
        for entry in _parse(path, content)
    ]


def _commit_file(sequence: int) -> str:
    return f"{layout.LEDGER}/{sequence:020d}.jsonl"


def _roll_up_file(sequence: int) -> str:
    return f"{layout.ROLLED_UP}/{sequence:020d}.jsonl"


def _parse(path: str, content: bytes) -> list[Entry]:
    try:
        return [Entry.from_json(line) for line in content.decode().splitlines()]
    except (ValueError, TypeError) as error:
        raise TerminalError(f"the ledger file {path} cannot be read: {error}") from error
