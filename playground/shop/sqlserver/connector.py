"""The SQL Server connector's behaviour in function query mode, as a function of transactions.

Given what the audit holds, `Connector` makes the records that Debezium would have written had the
same changes happened in SQL Server: in the order of commits, each change at a place of the log.
`Quirks` adds what SQL Server does and PostgreSQL never does. None of them but `clock_steps_every`
changes what the warehouse must hold in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingestion.declarations import Declarations
from lakehouse.kafka.produce import Record
from lakehouse.source.envelopes import InTransaction, Origin, encode
from lakehouse.source.positions import SqlServerPlace, lsn_text
from playground.shop.sqlserver.layout import (
    Image,
    TableLayout,
    heartbeat,
    key_of,
    layouts,
    log_sequence_number,
    notification,
    schema_change,
    transaction_begin,
    transaction_end,
)


@dataclass(frozen=True)
class Change:
    """A row of the audit."""

    sequence: int
    table: str
    operation: str
    old: Image | None
    new: Image | None


@dataclass(frozen=True)
class Transaction:
    """A committed transaction: when it ended (milliseconds since 1970, UTC), what it changed."""

    committed_ms: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Quirks:
    """How often what SQL Server does and PostgreSQL does not is to happen; 0 is never.

    Everything is decided by counting, so that equal audits give equal records.
    """

    late_reads_every: int = 0
    """Each n-th row of the snapshot is read late: it holds changes that are streamed after it."""
    deferred_every: int = 0
    """Each n-th change, if an update, is logged as a delete and an insert of the same key."""
    split_keys_every: int = 0
    """Each n-th change, if a key update, is two changes of the log instead of one with headers."""
    swapped_every: int = 0
    """Each n-th transaction commits before the one that ended earlier, if they share no row."""
    incremental_every: int = 0
    """After each n-th transaction an incremental snapshot reads some rows that it changed."""
    redelivered_every: int = 0
    """After each n-th transaction the connector restarts and sends the latest records again."""
    clock_steps_every: int = 0
    """Each n-th transaction ends on a clock two seconds behind. This changes validity times."""


ALL_QUIRKS = Quirks(
    late_reads_every=7,
    deferred_every=11,
    split_keys_every=2,
    swapped_every=5,
    incremental_every=20,
    redelivered_every=30,
)
"""Every quirk that leaves the warehouse as it would be without."""

_REDELIVERED = 40
_INCREMENTAL_ROWS = 5
_HEARTBEAT_EVERY = 500
_CLOCK_STEP_MS = 2_000


@dataclass
class Progress:
    """How far the connector has come; what its offsets would hold."""

    commit: int = 0
    """Log position of the last commit, always odd."""
    transactions: int = 0


@dataclass
class _Stream:
    """The records of one call, and what the transaction metadata needs."""

    records: list[Record] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    open: str | None = None
    last: SqlServerPlace | None = None


class Connector:
    """Turns snapshots and transactions into records, one after the other."""

    def __init__(
        self,
        declarations: Declarations,
        salt: str,
        quirks: Quirks | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Make a connector.

        Args:
            declarations: tables, topics and column names.
            salt: of the columns with pii: hash, as the real connector has it.
            quirks: none by default.
            progress: where an earlier connector stopped.
        """
        self._layouts = layouts(declarations, salt)
        self._connector = declarations.connectors["sqlserver"]
        self._quirks = quirks or Quirks()
        self.progress = progress or Progress()

    def snapshot(
        self, rows: Mapping[str, Sequence[Image]], last_sequence: int, read_ms: int
    ) -> list[Record]:
        """The initial snapshot: table structures, then a read of every row, and what it notifies.

        Args:
            rows: the rows by table; all tables are announced, also those without rows.
            last_sequence: the latest audit sequence number that the rows contain.
            read_ms: time of reading.
        """
        self.progress.commit = _position(last_sequence) | 1
        origin = self._snapshot_origin(read_ms, "true")
        structures = [
            schema_change(self._connector.schema_change_topic, layout, origin, read_ms)
            for layout in self._layouts.values()
        ]
        filled = [name for name in self._layouts if rows.get(name)]
        reads = []
        for name in filled:
            count = len(rows[name])
            for place, image in enumerate(rows[name]):
                marker = "true"
                if place == 0:
                    marker = "first" if name == filled[0] else "first_in_data_collection"
                if place == count - 1:
                    marker = "last" if name == filled[-1] else "last_in_data_collection"
                reads.append(self._read(name, image, self._snapshot_origin(read_ms, marker)))
        scans = [
            self._notification(
                "TABLE_SCAN_COMPLETED",
                read_ms,
                scanned_collection=layout.data_collection,
                total_rows_scanned=str(len(rows.get(name, ()))),
                status="SUCCEEDED",
            )
            for name, layout in self._layouts.items()
        ]
        return [
            self._notification("STARTED", read_ms),
            *structures,
            *reads,
            *scans,
            self._notification("COMPLETED", read_ms),
        ]

    def late_reads(self, rows: Iterable[tuple[str, Image]], read_ms: int) -> list[Record]:
        """The rest of the snapshot, read after changes that are streamed later."""
        origin = self._snapshot_origin(read_ms, "true")
        return [self._read(table, image, origin) for table, image in rows]

    def stream(self, transactions: Sequence[Transaction], processed_ms: int) -> list[Record]:
        """The records of `transactions`, which are in the order of their commits."""
        stream = _Stream()
        for transaction in self._in_log_order(transactions):
            self.progress.transactions += 1
            number = self.progress.transactions
            at_ms = transaction.committed_ms
            if _is_due(number, self._quirks.clock_steps_every):
                at_ms -= _CLOCK_STEP_MS
            self._transaction(stream, transaction, at_ms, processed_ms)
            if _is_due(number, self._quirks.incremental_every):
                self._incremental_reads(stream, transaction, processed_ms)
            if _is_due(number, self._quirks.redelivered_every):
                stream.records.extend(stream.records[-_REDELIVERED:])
            if _is_due(number, _HEARTBEAT_EVERY):
                stream.records.append(self._heartbeat(processed_ms))
        if stream.open is not None:
            self._end(stream, transactions[-1].committed_ms)
        stream.records.append(self._heartbeat(processed_ms))
        return stream.records

    def _transaction(
        self, stream: _Stream, transaction: Transaction, at_ms: int, processed_ms: int
    ) -> None:
        """A transaction's commit stands after the commits before it and after its own changes."""
        last_change = max(_position(change.sequence) for change in transaction.changes)
        self.progress.commit = max(self.progress.commit + 2, last_change + 1)
        commit = lsn_text(self._commit)
        topic = self._connector.transaction_topic
        if stream.open is not None:
            # The connector learns of the end when the next transaction's first event comes.
            self._end(stream, at_ms)
        stream.records.append(transaction_begin(topic, commit, at_ms))
        stream.open = commit
        for change in transaction.changes:
            for event in self._events(change):
                change_lsn = log_sequence_number(_position(change.sequence))
                place = SqlServerPlace(self._commit, change_lsn, event.serial)
                self._append(stream, event, Origin(place, at_ms), processed_ms)
                stream.last = place

    def _append(self, stream: _Stream, event: _Event, origin: Origin, processed_ms: int) -> None:
        layout = self._layouts[event.table]
        collection = layout.data_collection
        stream.counts[collection] += 1
        block = InTransaction(
            stream.open or "", sum(stream.counts.values()), stream.counts[collection]
        )
        image = event.new if event.new is not None else event.old
        key = encode(layout.key(image or {}))
        headers = event.headers(layout)
        value = layout.event(event.operation, (event.old, event.new), origin, block, processed_ms)
        stream.records.append(Record(layout.topic, key, value, headers))
        if event.operation == "d":
            stream.records.append(Record(layout.topic, key, None, headers))

    def _events(self, change: Change) -> Iterator[_Event]:
        """The events of one change of the log, with the serial numbers of function mode.

        The query returns a delete or insert as one row, an update as two; the connector adds the
        number of rows to the serial number as long as the change's place stays the same.
        """
        table, old, new = change.table, change.old, change.new
        names = self._layouts[table].table.primary_key
        if old is None or new is None:
            yield _Event(table, change.operation, old, new, 1)
        elif key_of(names, old) != key_of(names, new):
            split = _is_due(change.sequence, self._quirks.split_keys_every)
            yield _Event(table, "d", old, None, 1 if split else 2, None if split else new)
            yield _Event(table, "c", None, new, 2, None if split else old)
        elif _is_due(change.sequence, self._quirks.deferred_every):
            yield _Event(table, "d", old, None, 1)
            yield _Event(table, "c", None, new, 2)
        else:
            yield _Event(table, "u", old, new, 2)

    def _incremental_reads(
        self, stream: _Stream, transaction: Transaction, processed_ms: int
    ) -> None:
        """Reads of rows as they are after `transaction`, at the place of the last event."""
        if stream.last is None:
            return
        found: dict[tuple[str, tuple[Any, ...]], Image | None] = {}
        for change in transaction.changes:
            names = self._layouts[change.table].table.primary_key
            for image, after in ((change.old, None), (change.new, change.new)):
                if image is not None:
                    found[change.table, key_of(names, image)] = after
        origin = Origin(stream.last, processed_ms, "incremental")
        alive = [(table, image) for (table, _), image in found.items() if image is not None]
        stream.records.extend(
            self._read(table, image, origin) for table, image in alive[-_INCREMENTAL_ROWS:]
        )

    def _in_log_order(self, transactions: Sequence[Transaction]) -> list[Transaction]:
        """The transactions, neighbours that share no row swapped where a quirk says so."""
        ordered = list(transactions)
        place = 0
        while place + 1 < len(ordered):
            first, second = ordered[place], ordered[place + 1]
            due = _is_due(self.progress.transactions + place + 1, self._quirks.swapped_every)
            if due and self._rows(first).isdisjoint(self._rows(second)):
                ordered[place : place + 2] = second, first
                place += 1
            place += 1
        return ordered

    def _rows(self, transaction: Transaction) -> set[tuple[str, tuple[Any, ...]]]:
        return {
            (change.table, key_of(self._layouts[change.table].table.primary_key, image))
            for change in transaction.changes
            for image in (change.old, change.new)
            if image is not None
        }

    @property
    def _commit(self) -> int:
        return log_sequence_number(self.progress.commit)

    def _snapshot_origin(self, read_ms: int, marker: str) -> Origin:
        return Origin(SqlServerPlace(self._commit), read_ms, marker)

    def _read(self, table: str, image: Image, origin: Origin) -> Record:
        layout = self._layouts[table]
        value = layout.event("r", (None, image), origin, None, origin.at_ms)
        return Record(layout.topic, encode(layout.key(image)), value)

    def _end(self, stream: _Stream, at_ms: int) -> None:
        stream.records.append(
            transaction_end(
                self._connector.transaction_topic, stream.open or "", at_ms, stream.counts
            )
        )
        stream.counts = Counter()
        stream.open = None

    def _notification(self, kind: str, at_ms: int, **said: str) -> Record:
        own = self._connector
        return notification(own.notification_topic, own.topic_prefix, kind, at_ms, said)

    def _heartbeat(self, at_ms: int) -> Record:
        return heartbeat(self._connector.heartbeat_topic, self._connector.topic_prefix, at_ms)


@dataclass(frozen=True)
class _Event:
    table: str
    operation: str
    old: Image | None
    new: Image | None
    serial: int
    other: Image | None = None
    """The row under its other key, where one update of the key made two events."""

    def headers(self, layout: TableLayout) -> tuple[tuple[str, bytes], ...]:
        if self.other is None:
            return ()
        name = "__debezium.newkey" if self.operation == "d" else "__debezium.oldkey"
        return ((name, encode(layout.key(self.other))),)


def _position(sequence: int) -> int:
    """The log position of a change: even, with room for commits between it and the next one."""
    return 16 * sequence + 2


def _is_due(number: int, every: int) -> bool:
    return every > 0 and number % every == 0
