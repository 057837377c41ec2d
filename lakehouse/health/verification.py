"""The records that are there held against the ledger: what is gone, though it was landed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.pool import ThreadPool
from typing import NamedTuple

from ingestion.errors import TerminalError
from ingestion.landing.compaction import covered
from ingestion.landing.layout import DataFile, Partition, parse
from ingestion.landing.ledger import Entry
from ingestion.landing.records import read_footer
from ingestion.landing.storage import AT_ONCE, Storage


@dataclass(frozen=True)
class Difference:
    """A range of offsets of which the files hold other records than the ledger says."""

    topic: str
    partition: Partition
    from_offset: int
    until_offset: int
    landed: int
    found: int

    def __str__(self) -> str:
        return (
            f"topic {self.topic}, {self.partition}, offsets {self.from_offset} to "
            f"{self.until_offset}: {self.landed:,} records were landed, the files hold "
            f"{self.found:,}"
        )


@dataclass(frozen=True)
class Verified:
    """What was compared: ranges of the ledger and the records they say, files; what differs."""

    ranges: int
    records: int
    files: int
    differences: tuple[Difference, ...]


def verify(storage: Storage, entries: Iterable[Entry], table: str, since: datetime) -> Verified:
    """The ranges of `table`, committed since then, against the files that should hold them.

    `entries` are the ledger's, in order; what is older has been, or may be, removed by retention.
    Only the footers of files are read: each is whole, or no Parquet file.
    """
    files = [file for path in storage.list_files(table) if (file := parse(path)) is not None]
    outer = sorted(set(files) - covered(files).keys())
    with ThreadPool(AT_ONCE) as pool:
        rows = pool.map(lambda file: _rows(storage, file), outer)
    pieces: dict[Partition, list[_Piece]] = {}
    for file, found in zip(outer, rows, strict=True):
        piece = _Piece(file.from_offset, file.until_offset, found, None)
        pieces.setdefault(file.partition, []).append(piece)
    for entry in entries:
        if entry.table == table and entry.rows:
            piece = _Piece(entry.from_offset, entry.until_offset, entry.rows, entry)
            pieces.setdefault(entry.partition, []).append(piece)
    ranges = records = held = 0
    differences: list[Difference] = []
    for _, own in sorted(pieces.items()):
        for together in _overlapping(own):
            landed = [piece.entry for piece in together if piece.entry is not None]
            if any(datetime.fromisoformat(entry.committed_at) < since for entry in landed):
                continue
            ranges, records = ranges + len(landed), records + sum(e.rows for e in landed)
            held += len(together) - len(landed) if landed else 0
            differences += _differences(together, landed)
    return Verified(ranges, records, held, tuple(differences))


class _Piece(NamedTuple):
    """A file's range and rows, or a ledger entry's."""

    from_offset: int
    until_offset: int
    rows: int
    entry: Entry | None


def _overlapping(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """What overlaps: merged files hold several ranges, rolled up ranges several files."""
    together: list[_Piece] = []
    end = 0
    for piece in sorted(pieces, key=lambda piece: piece[:2]):
        if together and piece.from_offset >= end:
            yield together
            together = []
        together.append(piece)
        end = max(end, piece.until_offset)
    yield together


def _differences(together: list[_Piece], entries: list[Entry]) -> Iterator[Difference]:
    landed = sum(entry.rows for entry in entries)
    found = sum(p.rows for p in together if p.entry is None)
    if entries and landed != found:
        first, end = entries[0], max(p.until_offset for p in together)
        yield Difference(first.topic, first.partition, together[0].from_offset, end, landed, found)


def _rows(storage: Storage, file: DataFile) -> int:
    """How many records the file holds; none if it is gone or no whole Parquet file."""
    try:
        return int(read_footer(storage, file.path).num_rows)
    except (FileNotFoundError, TerminalError):
        return 0
