"""Where a landed file lies: its path is its range of offsets, and back.

`<table>/incarnation=<n>/landing_date=<YYYY-MM-DD>/topic_partition=<p>/<from>-<until>.parquet`,
relative to the landing zone; offsets are half-open and padded to 20 digits, so that names sort.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

# Folders that begin with an underscore hold no records: readers list `<table>/` only.
LEDGER = "_ledger"
ROLLED_UP = f"{LEDGER}/rolled"
WRITERS = "_writers"
STAGING = "_staging"
IDENTITY = "_landing.json"

_DATA_FILE = re.compile(
    r"(?P<table>[a-z][a-z0-9_]*)/incarnation=(?P<incarnation>\d+)"
    r"/landing_date=(?P<date>\d{4}-\d{2}-\d{2})/topic_partition=(?P<partition>\d+)"
    r"/(?P<from>\d{20})-(?P<until>\d{20})\.parquet"
)


@dataclass(frozen=True, order=True)
class Partition:
    """One partition of one incarnation of a table's topic: the unit that offsets are counted in."""

    table: str
    incarnation: int
    number: int

    def __str__(self) -> str:
        return f"{self.table} (incarnation {self.incarnation}) partition {self.number}"


@dataclass(frozen=True, order=True)
class DataFile:
    """A file with all records of `partition` in the half-open range of offsets."""

    partition: Partition
    landing_date: date
    from_offset: int
    until_offset: int

    @property
    def folder(self) -> str:
        """The path of the file's folder, relative to the landing zone."""
        return (
            f"{incarnation_folder(self.partition.table, self.partition.incarnation)}"
            f"/landing_date={self.landing_date.isoformat()}"
            f"/topic_partition={self.partition.number}"
        )

    @property
    def path(self) -> str:
        """The file's path, relative to the landing zone."""
        return f"{self.folder}/{self.from_offset:020d}-{self.until_offset:020d}.parquet"

    def covers(self, other: DataFile) -> bool:
        """Whether every record of `other` is in this file too, and more."""
        width, other_width = (f.until_offset - f.from_offset for f in (self, other))
        return (
            self.partition == other.partition
            and self.from_offset <= other.from_offset
            and other.until_offset <= self.until_offset
            and other_width < width
        )


def parse(path: str) -> DataFile | None:
    """The data file at `path` (relative to the landing zone), None for any other path."""
    match = _DATA_FILE.fullmatch(path)
    if match is None:
        return None
    return DataFile(
        partition=Partition(match["table"], int(match["incarnation"]), int(match["partition"])),
        landing_date=date.fromisoformat(match["date"]),
        from_offset=int(match["from"]),
        until_offset=int(match["until"]),
    )


def incarnation_folder(table: str, incarnation: int) -> str:
    """The folder of one incarnation of `table`, relative to the landing zone."""
    return f"{table}/incarnation={incarnation}"


def schema_file(table: str) -> str:
    """The zero-row file that lets readers open `table` before its first record is landed."""
    return f"{table}/incarnation=0/landing_date=1970-01-01/topic_partition=0/_schema.parquet"


def carried_date(previous: date | None, first_record: date, today: date) -> date:
    """The landing date of a batch of a partition: it never goes back, whatever the clocks do.

    The date of the batch's first record, but not before the partition's previous file (a broker's
    clock may be behind), and not after `today` (a producer's may be ahead, and would be carried
    forward for ever).
    """
    wanted = min(first_record, today)
    return wanted if previous is None else max(previous, wanted)
