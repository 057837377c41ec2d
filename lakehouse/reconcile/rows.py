"""The current rows of the source's own tables against those of the log, beside a shop that trades.

No two databases can be read at one moment, so a difference between two readings proves nothing: it
may be a change on its way, or one that came in between. It counts if a second reading agrees:

1. The source's rows are read in chunks (S1), each as of one moment; behind each the end of the
   source's log is noted. The log is awaited up to there: the connector has passed it, what Kafka
   then held is landed, and built. Then the log's current rows are read (T1).
2. The keys that differ are read again in the same way (S2), the log is awaited and read (T2).

A difference counts if the row of the source is the same in S1 and S2, the last change that the log
has of its key is the same in T1 and T2, and stands before the end that was noted behind S1.

Why it is none that passes by itself: let the log be whole. At T2 it has every change that S2 saw,
and none of the key is behind the last one, p. T1, which came before S2, had p already: it was
committed before S2, which therefore saw p and nothing behind it. So the source's row in S2 is what
p left, and that is what the log says. Conversely a lasting difference is found as soon as neither
side of its key changes during the two readings; a row that never rests is found when it does.

What it cannot see: values that the log was never told (`_cdc_not_carried`), hashed columns without
the salt, columns that stay in the source; rows that differed and agree again. And it believes that
whoever reads the source sees a commit when the connector has seen it: under synchronous replication
a commit is in the log before it is visible, and for as long as its standby hangs it looks lost.

A row that only the log has is repaired by its delete, directly behind the last change that the log
knows (`repair.delete_records`). Rows that are missing or wrong are not written here: a snapshot of
the table reads them, and has a place in the source's log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ingestion.declarations import Declarations, Table
from ingestion.errors import RefusedError
from lakehouse.health.waiting import Patience, await_built
from lakehouse.reconcile.absences import Log, open_log
from lakehouse.reconcile.current import Current, CurrentRow, all_current, compiled, current_of
from lakehouse.reconcile.findings import Difference, LostDelete, explain_rows
from lakehouse.reconcile.scope import Scope, canonical, key_text
from lakehouse.settings import CommandSettings
from lakehouse.source.connectors import source_table
from lakehouse.source.database import Database
from lakehouse.source.positions import Position, SqlServerPlace, lsn_text
from lakehouse.source.rows import (
    Chunk,
    SourceRows,
    capture_behind,
    log_end,
    newest_commit,
    slot_behind,
)

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Look:
    """What both sides say of one key in a reading."""

    source: str | None
    """The fingerprint of its row, None where the source has none."""
    log_end: int
    """Where the source's log ended behind it."""
    log: Current | None
    """The last that the log has of the key."""

    @property
    def differs(self) -> bool:
        """Whether one side has a row that the other has not, or another one."""
        return self.source != (self.log.fingerprint if self.log and self.log.alive else None)


def lasts(first: Look, second: Look, is_older: Callable[[str, int], bool]) -> bool:
    """Whether a difference counts: see above. `is_older` holds a position against an end."""
    return (
        second.differs
        and (first.source, first.log) == (second.source, second.log)
        and (first.log is None or is_older(first.log.position, first.log_end))
    )


@dataclass(frozen=True)
class RowDifference:
    """A row on which the source and the log differ."""

    table: Table
    difference: Difference
    position: str | None
    """`_cdc_position` of the last change that the log has of it; None where it has none."""
    extra: LostDelete | None
    """The row that only the log has."""


@dataclass(frozen=True)
class TableRows:
    """The comparison of one table."""

    table: str
    source_rows: int
    read_again: int
    differences: tuple[RowDifference, ...]


class _Read(NamedTuple):
    """A row of the source in one reading."""

    fingerprint: str
    log_end: int
    key: tuple[Any, ...]
    texts: Mapping[str, str | None] | None
    """The compared columns, in the second reading."""


class _Comparison:
    """One table on its way through both readings."""

    def __init__(self, scope: Scope, source: SourceRows, ctes: str) -> None:
        self.scope, self.source, self._ctes = scope, source, ctes
        self._first: dict[str, _Read] = {}
        self._second: dict[str, _Read] = {}
        self._lowest_ends = (0, 0)
        self._source_rows = self._chunk_rows = 0
        self.looks: dict[str, Look] = {}
        """By the key's hash, where the first reading differs."""
        self._keys: dict[str, tuple[Any, ...]] = {}

    def read(self, chunk_rows: int) -> None:
        """S1."""
        self._chunk_rows = chunk_rows
        self._first, lowest = self._reading(self.source.chunks(chunk_rows), keep=False)
        self._lowest_ends = (lowest, lowest)

    def look(self, log: Log) -> None:
        """T1."""
        current = all_current(log, self._ctes)
        for key in {**self._first, **current}:
            read, (log_key, last) = self._first.get(key), current.get(key, ((), None))
            look = self._look(0, read, last)
            if look.differs:
                self.looks[key] = look
                self._keys[key] = read.key if read else log_key
        self._source_rows, self._first = len(self._first), {}

    def read_again(self) -> None:
        """S2; the source cannot be asked for a key by its hash, so all of it is read."""
        if self.scope.has_hashed_key:
            chunks = self.source.chunks(self._chunk_rows)
        else:
            chunks = self.source.of(list(self._keys.values()))
        self._second, lowest = self._reading(chunks, keep=True)
        self._lowest_ends = (self._lowest_ends[0], lowest)

    def judge(self, log: Log) -> TableRows:
        """T2."""
        rows = current_of(log, self._ctes, list(self.looks)) if self.looks else {}
        found = (self._judged(log, key, rows.get(key)) for key in self.looks)
        differences = sorted((one for one in found if one), key=lambda one: one.difference.key)
        table = self.scope.table.name
        return TableRows(table, self._source_rows, len(self.looks), tuple(differences))

    def _reading(self, chunks: Iterable[Chunk], *, keep: bool) -> tuple[dict[str, _Read], int]:
        found, ends = {}, []
        for chunk in chunks:
            ends.append(chunk.log_end)
            for row in chunk.rows:
                texts = {
                    column.name: self.scope.text(column, value)
                    for column, value in zip(self.source.columns, row, strict=True)
                }
                key_hash = self.scope.key_hash(texts)
                if keep and key_hash not in self.looks:
                    continue
                found[key_hash] = _Read(
                    self.scope.fingerprint(texts),
                    chunk.log_end,
                    tuple(texts[column.name] for column in self.source.key)
                    if self.scope.has_hashed_key
                    else row[: len(self.source.key)],
                    texts if keep else None,
                )
        return found, min(ends)

    def _look(self, reading: int, read: _Read | None, last: Current | None) -> Look:
        # which chunk would have had a row that is not there, only the source's collation knows
        end = read.log_end if read else self._lowest_ends[reading]
        return Look(read.fingerprint if read else None, end, last)

    def _judged(self, log: Log, key: str, row: CurrentRow | None) -> RowDifference | None:
        first, read = self.looks[key], self._second.get(key)
        second = self._look(1, read, row.last if row else None)
        is_older = partial(stands_before, log)
        table, shown = self.scope.table, key_text(self.scope.table.primary_key, self._keys[key])
        if (
            second.log
            and second.log == first.log
            and not is_older(second.log.position, second.log_end)
        ):
            raise RefusedError(
                f"{table.name}, {shown}: its last change stands at {second.log.position}, and the "
                "source's log ends before that. Is LAKEHOUSE_SOURCE_DSN the database that the "
                "connector reads? One that was restored needs a new topic prefix "
                "(docs/runbooks/operations.md)"
            )
        if not lasts(first, second, is_older):
            return None
        compared = [c for c in self.scope.columns if not row or c.name not in row.not_carried]
        source = tuple(read.texts[c.name] for c in compared) if read and read.texts else None
        known = (
            tuple(canonical(row.row[c.name], c) for c in compared)
            if row and row.last.alive
            else None
        )
        if source == known:
            return None
        difference = explain_rows(shown, [c.name for c in compared], source, known)
        position = row.last.position if row else None
        extra = LostDelete(table, row.row, row.last.position) if row and source is None else None
        return RowDifference(table, difference, position, extra)


def stands_before(log: Log, position: str, end: int) -> bool:
    """Whether a change was in the source's log when that ended at `end`."""
    parsed = Position.parse(log.connector, position)
    place = parsed.place
    if isinstance(place, SqlServerPlace):
        at = place.commit
    else:
        at = max(place.lsn, place.commit_before or 0)
    epoch = log.declarations.connectors[log.connector].epoch
    return parsed.epoch < epoch or (parsed.epoch == epoch and at <= end)


def compare_rows(  # noqa: PLR0913 - what it is asked with
    tables: Sequence[Table],
    settings: CommandSettings,
    declared: Declarations,
    database: Database,
    *,
    salt: str,
    slot: str,
    chunk_rows: int,
    patience: Patience,
) -> tuple[TableRows, ...]:
    """Compare the current rows of `tables`, whose changes PostgreSQL hands out through `slot`.

    Raises:
        RefusedError: the log was behind for longer than `patience`, or is not of this source.
        TransientError: the source or the brokers do not answer.
        TerminalError: one of them is not what it should be.
    """

    def ask(table: Table, question: Callable[[Log], Answer]) -> Answer:
        """The warehouse's answer; a build may hold its file for a while."""
        answers: list[Answer] = []

        def behind() -> str:
            with open_log(settings, declared, table) as log:
                answers.append(question(log))
            return ""

        patience.wait(settings, behind)
        return answers[0]

    def catch_up(comparisons: Sequence[_Comparison]) -> None:
        """Return when the log has all that was committed before the call."""
        if database.connector == "postgresql":
            patience.wait(settings, slot_behind(database, slot))
        else:
            end = log_end(database)
            patience.wait(settings, lambda: capture_behind(database, end))
            for comparison in comparisons:
                if commit := newest_commit(database, comparison.source.table):
                    lacking = partial(log_behind, commit=commit)
                    patience.wait(settings, partial(ask, comparison.scope.table, lacking))
        names = [comparison.scope.table.name for comparison in comparisons]
        await_built(settings, declared, names, patience)

    require_own_database(declared, database)
    scopes = [Scope(table, salt, declared.tenant) for table in tables]
    patience.tell("asking dbt for the rules")
    ctes = compiled(settings.environment, scopes)
    comparisons = [
        _Comparison(scope, _source_rows(scope, declared, database), ctes[scope.table.name])
        for scope in scopes
    ]
    for comparison in comparisons:
        patience.tell(f"reading {comparison.scope.table.name}")
        comparison.read(chunk_rows)
    catch_up(comparisons)
    for comparison in comparisons:
        ask(comparison.scope.table, comparison.look)
    differing = [comparison for comparison in comparisons if comparison.looks]
    for comparison in differing:
        comparison.read_again()
    if differing:
        catch_up(differing)
    return tuple(ask(comparison.scope.table, comparison.judge) for comparison in comparisons)


def require_own_database(declared: Declarations, database: Database) -> None:
    """Raises RefusedError where a tenant is held against another one's database of SQL Server.

    On PostgreSQL the slot belongs to a database.
    """
    if declared.tenant and database.connector == "sqlserver":
        wanted = source_table(declared, declared.tables[0], "sqlserver").database
        [(name,)] = database.rows("select db_name()")
        if name.lower() != wanted.lower():
            raise RefusedError(
                f"LAKEHOUSE_SOURCE_DSN is of the database {name}, and that of the tenant "
                f"{declared.tenant} is {wanted}"
            )


def _source_rows(scope: Scope, declared: Declarations, database: Database) -> SourceRows:
    key = tuple(scope.table.column(name) for name in scope.table.primary_key)
    others = tuple(column for column in scope.columns if column not in key)
    place = source_table(declared, scope.table, database.connector)
    return SourceRows(database, place, key, key + others)


def log_behind(log: Log, commit: tuple[int, int]) -> str:
    """What the log lacks of `newest_commit`; nothing when it is there."""
    lsn, events = commit
    wanted = f"{log.declarations.connectors[log.connector].epoch:04d}:{lsn_text(lsn)}"
    [(newest, count)] = log.query(
        "select max(_cdc_commit),"
        f" count(distinct case when _cdc_commit = '{wanted}' then _cdc_position || _cdc_op end)"
        f" from {log.changes} where {log.mine} and _cdc_op <> 'r' and not _cdc_is_absence"
    )
    if newest is not None and (newest > wanted or (newest == wanted and count >= events)):
        return ""
    return f"{log.table.name} (its log is at {newest}, waiting for {events} changes of {wanted})"
