"""Compaction of past dates into large files, and retention.

Compaction adds the large file first; what it covers is removed by a later call, once the large one
has been visible for a grace period longer than the longest run of a reader. A reader may see a
record twice meanwhile (readers take one record per coordinate), never zero times. What is to be
done is read off the names of the files, so a killed compaction leaves nothing to repair.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import IO, TYPE_CHECKING

from ingestion.errors import TerminalError
from ingestion.landing import layout
from ingestion.landing.crash_points import reach
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, Progress
from ingestion.landing.storage import Storage, of_system

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TARGET_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class Merge:
    """Files of one partition and date that continue each other, and the file they become."""

    parts: tuple[DataFile, ...]

    @property
    def target(self) -> DataFile:
        """The file that holds all of the parts' records."""
        first, last = self.parts[0], self.parts[-1]
        return DataFile(first.partition, first.landing_date, first.from_offset, last.until_offset)


def covered(files: Iterable[DataFile]) -> dict[DataFile, DataFile]:
    """The files whose records are all in a larger one, each with the largest that covers it."""
    found: dict[DataFile, DataFile] = {}
    for _, group in groupby(sorted(files), key=lambda file: file.partition):
        by_start = sorted(group, key=lambda file: (file.from_offset, -file.until_offset))
        largest: DataFile | None = None
        for file in by_start:
            if largest is not None and largest.covers(file):
                found[file] = largest
            elif largest is None or file.until_offset > largest.until_offset:
                largest = file
    return found


def merges(sizes: Mapping[DataFile, int], target_bytes: int = TARGET_BYTES) -> list[Merge]:
    """What to merge of the files in `sizes` (bytes): neighbours, until they reach the target."""
    planned: list[Merge] = []
    run: list[DataFile] = []
    held = 0
    for file in sorted(sizes):
        joins = (
            run
            and (run[-1].partition, run[-1].landing_date) == (file.partition, file.landing_date)
            and run[-1].until_offset == file.from_offset
            and held + sizes[file] <= target_bytes
        )
        if not joins:
            planned += [Merge(tuple(run))] if len(run) > 1 else []
            run, held = [], 0
        run.append(file)
        held += sizes[file]
    return planned + ([Merge(tuple(run))] if len(run) > 1 else [])


def is_settled(file: DataFile, progress: Progress, today: date) -> bool:
    """Whether landing is done with the file: its date is past, and the ledger holds its range."""
    position = progress.positions.get(file.partition)
    return (
        position is not None
        and file.until_offset <= position.until_offset
        and file.landing_date < today
    )


def compact(storage: Storage, progress: Progress, table: str, today: date) -> list[DataFile]:
    """Add the large files of `table`; returns them. Removes nothing."""
    files = _files(storage, table)
    uncovered = set(files) - covered(files).keys()
    settled = [file for file in uncovered if is_settled(file, progress, today)]
    folder = attrgetter("folder")
    crowded = {key for key, group in groupby(sorted(settled), key=folder) if len(list(group)) > 1}
    sizes = {file: storage.size(file.path) for file in settled if folder(file) in crowded}
    added = []
    for merge in merges(sizes):
        try:
            # A file without a name: whatever ends the process, nothing of it stays.
            with tempfile.TemporaryFile() as merged:
                _write(storage, merge, merged)
                reach("compaction_staged")
                merged.seek(0)
                storage.put_file(merged, merge.target.path)
        except OSError as error:
            raise of_system(error, tempfile.gettempdir()) from error
        reach("compaction_visible")
        added.append(merge.target)
    return added


def remove_covered(
    storage: Storage, table: str, grace_seconds: float, now: float
) -> list[DataFile]:
    """Remove files whose cover has been visible for the grace period; returns them."""
    removed = []
    for file, cover in sorted(covered(_files(storage, table)).items()):
        if now - storage.modified_at(cover.path) >= grace_seconds:
            storage.delete(file.path)
            removed.append(file)
            reach("compaction_removing")
    return removed


def expire(
    storage: Storage, entries: Iterable[Entry], table: str, before: datetime
) -> list[DataFile]:
    """Remove the files of `table` whose records were all committed before `before`; returns them.

    `entries` are the ledger's, in order. Its time counts, not the records': one that is dated 1970
    would take those of today along, one dated 2099 would keep them for ever. A merged file is as
    old as its newest part, what the ledger does not hold yet is not old. The host that committed
    may have had a slow clock: what the store has got since is not old either.
    """
    commits: dict[Partition, list[Entry]] = {}
    for entry in entries:
        if entry.table == table and entry.file:
            commits.setdefault(entry.partition, []).append(entry)

    def is_old(file: DataFile) -> bool:
        own = commits.get(file.partition, [])
        first = bisect_right(own, file.from_offset, key=lambda entry: entry.until_offset)
        last = bisect_left(own, file.until_offset, key=lambda entry: entry.from_offset)
        times = [datetime.fromisoformat(entry.committed_at) for entry in own[first:last]]
        if not times or max(times) >= before or own[-1].until_offset < file.until_offset:
            return False
        return storage.modified_at(file.path) < before.timestamp()

    removed = [file for file in _files(storage, table) if is_old(file)]
    for file in removed:
        storage.delete(file.path)
    return removed


def _files(storage: Storage, table: str) -> list[DataFile]:
    parsed = (layout.parse(path) for path in storage.list_files(table))
    return [file for file in parsed if file is not None]


def _write(storage: Storage, merge: Merge, target: IO[bytes]) -> None:
    """Write the merged file, checked: the rows of its parts, offsets rising, all in its range."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ingestion.landing.records import arrow_schema

    wanted, written, last = 0, 0, merge.target.from_offset - 1
    with pq.ParquetWriter(
        target,
        arrow_schema(),
        version="1.0",
        compression="zstd",
        use_dictionary=["kafka_topic", "kafka_timestamp_type"],
    ) as writer:
        for part in merge.parts:
            try:
                with storage.fetch(part.path) as content, pq.ParquetFile(content) as file:
                    wanted += file.metadata.num_rows
                    for group in range(file.num_row_groups):
                        last = _copy(file, group, writer, last, part)
                        written += file.metadata.row_group(group).num_rows
            except (pa.ArrowException, OSError) as error:
                if getattr(error, "errno", None) is not None:
                    raise  # the system's, not the content's
                raise TerminalError(
                    f"{part.path} is no whole Parquet file, and was not compacted: {error}"
                ) from error
    merged = pq.read_metadata(target).num_rows
    if not wanted == written == merged or last >= merge.target.until_offset:
        raise TerminalError(
            f"compaction of {merge.target.folder} would have changed the records ({wanted} rows "
            f"became {merged}); nothing was replaced"
        )


def _copy(
    file: pq.ParquetFile, group: int, writer: pq.ParquetWriter, last: int, part: DataFile
) -> int:
    """Append a row group to `writer`; returns its last offset."""
    import pyarrow.compute as pc

    rows = file.read_row_group(group, columns=writer.schema.names).cast(writer.schema)
    offsets = rows["kafka_offset"].combine_chunks()
    rises = len(offsets) < 2 or pc.all(pc.greater(offsets[1:], offsets[:-1])).as_py()
    if len(offsets) and (not rises or offsets[0].as_py() <= last):
        raise TerminalError(f"{part.path}: offsets do not rise; the file was not compacted")
    writer.write_table(rows)
    return int(offsets[-1].as_py()) if len(offsets) else last
