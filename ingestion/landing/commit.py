"""The commit of a batch: staged files are checked, made visible, and entered into the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing.pool import ThreadPool

from ingestion.errors import RefusedError, TerminalError, TransientError
from ingestion.kafka.brokers import Topic
from ingestion.landing import layout
from ingestion.landing.crash_points import reach
from ingestion.landing.layout import DataFile, Partition
from ingestion.landing.ledger import Entry, Ledger, Progress
from ingestion.landing.plan import Start
from ingestion.landing.records import StagedFile, describe, read_footer
from ingestion.landing.storage import AT_ONCE, Storage
from ingestion.landing.writers import Registration

Place = tuple[str, int]  # topic and partition number


class IncompleteError(TransientError):
    """What Spark says it has staged is not what is found: staged again, the batch may be whole."""


@dataclass(frozen=True)
class PlannedFile:
    """A staged file and where it will appear."""

    staged: StagedFile
    target: DataFile


def staged_files(storage: Storage, folder: str, written: int) -> dict[Place, StagedFile]:
    """The batch's files under `folder`, one per topic-partition, `written` records in all.

    A task that failed late or ran twice (retry, speculation) may have left its file beside its
    successor's; they hold the same records, and only one of them is counted and made visible.
    That a partition has no file is believed only because the total is right: to a listing alone a
    folder that was emptied looks like a range of nothing but transaction markers.

    Raises:
        IncompleteError: Spark's `_SUCCESS` is missing, or the files hold another number of records.
        TerminalError: two files of one partition differ.
    """
    listed = storage.list_files(folder)
    if f"{folder}/_SUCCESS" not in listed:
        raise IncompleteError(
            f"Spark has written {written:,} records to {storage.uri}/{folder}, but its _SUCCESS is "
            f"not there, only {len(listed)} other files"
        )
    paths = [path for path in listed if path.endswith(".parquet")]
    with ThreadPool(min(AT_ONCE, len(paths) or 1)) as pool:
        described = pool.map(partial(describe, storage), paths)
    found: dict[Place, StagedFile] = {}
    for file in described:
        if file is None:
            continue
        place = (file.topic, file.partition)
        twin = found.get(place)
        if twin is not None and (twin.rows, twin.first_offset, twin.last_offset) != (
            file.rows,
            file.first_offset,
            file.last_offset,
        ):
            raise TerminalError(
                f"topic {file.topic} partition {file.partition}: two tasks read different records "
                f"of one range ({twin.path}: {twin.rows} rows, {file.path}: {file.rows}); "
                "nothing of this batch was landed. Start landing again."
            )
        found[place] = file
    rows = sum(file.rows for file in found.values())
    if rows != written:
        raise IncompleteError(
            f"Spark has written {written:,} records to {storage.uri}/{folder}, but the files there "
            f"hold {rows:,}"
        )
    return found


def check_complete(
    starts: Mapping[Place, Start],
    ends: Mapping[Place, int],
    staged: Mapping[Place, StagedFile],
    topics: Mapping[str, Topic],
) -> None:
    """Refuse a batch that Spark may have read from another topic, or only in part.

    `topics` is what the brokers say *after* the batch was read: while a topic keeps its id it is
    the same topic, and while its first offset lies at or before the range nothing was deleted
    under the reader. (Spark itself notices neither a recreated topic nor all deletions.)

    Raises:
        TransientError: the session has to be planned again; planning then names the loss.
    """
    for place, start in starts.items():
        topic = topics.get(start.topic)
        if topic is None or topic.topic_id != start.topic_id:
            raise TransientError(
                f"topic {start.topic} was deleted or created again while it was read"
            )
        until = ends[place]
        width = until - start.from_offset
        file = staged.get(place)
        rows = file.rows if file else 0
        if rows < width and topic.partitions[place[1]].earliest > start.from_offset:
            raise TransientError(
                f"topic {start.topic} partition {place[1]}: retention has passed offset "
                f"{start.from_offset} while it was read"
            )
        if file and not start.from_offset <= file.first_offset <= file.last_offset < until:
            raise TerminalError(
                f"topic {start.topic} partition {place[1]}: records {file.first_offset} to "
                f"{file.last_offset} were read for the range {start.from_offset} to {until}; "
                "nothing of this batch was landed"
            )


def plan_files(
    starts: Mapping[Place, Start],
    ends: Mapping[Place, int],
    staged: Mapping[Place, StagedFile],
    today: date,
) -> dict[Place, PlannedFile]:
    """Where each staged file belongs."""
    files = {}
    for place, file in staged.items():
        start = starts[place]
        landing_date = layout.carried_date(start.landing_date, file.first_date, today)
        target = DataFile(start.partition, landing_date, start.from_offset, ends[place])
        files[place] = PlannedFile(file, target)
    return files


def entries(
    starts: Mapping[Place, Start],
    ends: Mapping[Place, int],
    files: Mapping[Place, PlannedFile],
    now: str,
) -> list[Entry]:
    """The batch's ledger entries: one for each partition that moved, with or without records."""
    committed = []
    for place, start in sorted(starts.items()):
        if ends[place] == start.from_offset:
            continue
        file = files.get(place)
        committed.append(
            Entry(
                table=start.partition.table,
                topic=start.topic,
                topic_id=start.topic_id,
                incarnation=start.partition.incarnation,
                kafka_partition=start.partition.number,
                from_offset=start.from_offset,
                until_offset=ends[place],
                rows=file.staged.rows if file else 0,
                kind="landed",
                committed_at=now,
                file=file.target.path if file else None,
            )
        )
    return committed


def publish(
    storage: Storage,
    ledger: Ledger,
    registration: Registration,
    files: Collection[PlannedFile],
    committed: list[Entry],
) -> None:
    """Make the batch visible and commit it.

    Raises:
        FencedError: another job has taken over; what it did not find staged, it reads itself.
    """
    registration.check()

    def reveal(file: PlannedFile) -> None:
        try:
            storage.publish(file.staged.path, file.target.path)
        except FileNotFoundError:
            registration.check()
            raise
        reach("file_visible")

    # A store answers within some 10 ms, whatever the size; a batch of all tables has 40 files.
    with ThreadPool(min(AT_ONCE, len(files) or 1)) as pool:
        pool.map(reveal, files)
    if committed:
        ledger.append(committed)
    reach("ledger_row")


def check_ledger_is_there(storage: Storage, ledger: Ledger, tables: Iterable[str]) -> None:
    """Refuse tables that have files but nothing in the ledger: they would be landed again.

    Raises:
        TerminalError: naming the table.
    """
    known = {partition.table for partition in ledger.progress.positions}
    for table in sorted(set(tables) - known):
        if any(layout.parse(path) for path in storage.list_files(table)):
            raise RefusedError(
                f"the landing zone {storage.uri} has files of {table} but no ledger: restore the "
                f"folder {layout.LEDGER} from its backup or its earlier object versions, or remove "
                f"the folder {table} to land it anew"
            )


def adopt(storage: Storage, ledger: Ledger, tables: Iterable[str], now: str) -> list[Entry]:
    """Enter visible files that continue the ledger into it; returns their entries.

    A job that was killed between the two steps of `publish` leaves such files. They are whole,
    and their range is their name, so they are as good as landed.
    """
    adopted: list[Entry] = []
    visible = _visible_files(storage, ledger.progress, set(tables))
    for partition, position in sorted(ledger.progress.positions.items()):
        until = position.until_offset
        while (file := visible.get((partition, until))) is not None:
            adopted.append(
                Entry(
                    table=partition.table,
                    topic=position.topic,
                    topic_id=position.topic_id,
                    incarnation=partition.incarnation,
                    kafka_partition=partition.number,
                    from_offset=file.from_offset,
                    until_offset=file.until_offset,
                    rows=read_footer(storage, file.path).num_rows,
                    kind="landed",
                    committed_at=now,
                    file=file.path,
                )
            )
            until = file.until_offset
    if adopted:
        ledger.append(adopted)
        reach("adopted")
    return adopted


def _visible_files(
    storage: Storage, progress: Progress, tables: set[str]
) -> dict[tuple[Partition, int], DataFile]:
    """The visible files at or after each partition's date, by partition and first offset."""
    oldest: dict[str, str] = {}
    for partition, position in progress.positions.items():
        if partition.table in tables:
            folder = layout.incarnation_folder(partition.table, partition.incarnation)
            day = f"{folder}/landing_date={position.landing_date or date.min}"
            oldest[folder] = min(day, oldest.get(folder, day))
    files: dict[tuple[Partition, int], DataFile] = {}
    with ThreadPool(AT_ONCE) as pool:
        for paths in pool.starmap(storage.list_files, oldest.items()):
            for file in filter(None, map(layout.parse, paths)):
                files[file.partition, file.from_offset] = file
    return files
