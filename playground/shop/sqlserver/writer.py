"""Writes the shop's activity to Kafka as SQL Server's change events, read from the audit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2's own name

from ingestion.declarations import Declarations, load
from ingestion.errors import LakehouseError, TerminalError
from lakehouse.kafka.produce import Record, produce
from playground.shop.sqlserver.connector import Change, Connector, Progress, Quirks, Transaction
from playground.shop.sqlserver.layout import Image, key_of


class SqlServerEvents:
    """A stand-in for the SQL Server connector: `start` once, then `stream` whenever one likes.

    What has been written is known by PostgreSQL's own snapshots: every transaction that was not
    visible at the last call is new, in whatever order transactions began and ended.
    """

    def __init__(  # noqa: PLR0913 - two servers and what to do between them
        self,
        dsn: str,
        bootstrap_servers: str,
        *,
        salt: str,
        declarations: Declarations | None = None,
        quirks: Quirks | None = None,
        state: Path | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            dsn: libpq connection string of the shop's database.
            bootstrap_servers: of the broker; the topics have to exist.
            salt: of the columns with pii: hash.
            declarations: by default those of the project.
            quirks: what SQL Server does and PostgreSQL does not; none by default.
            state: file that keeps the progress between processes; without it, it is kept here.
        """
        self._dsn = dsn
        self._bootstrap_servers = bootstrap_servers
        self._declarations = declarations or load()
        self._quirks = quirks or Quirks()
        self._state = state
        self._seen: str | None = None
        self._held_back: list[tuple[str, Image]] = []
        progress = Progress()
        if state is not None and state.exists():
            saved = json.loads(state.read_text(encoding="utf-8"))
            self._seen, progress = saved["seen"], Progress(**saved["progress"])
            self._held_back = [(table, image) for table, image in saved["held_back"]]
        self._connector = Connector(self._declarations, salt, self._quirks, progress)

    @property
    def started(self) -> bool:
        """Whether the snapshot has been written."""
        return self._seen is not None

    def start(self) -> int:
        """Write the initial snapshot; returns the number of records.

        With the quirk of late reads some rows are held back until the first `stream`.
        """
        with _reading(self._dsn) as database:
            seen, last = _snapshot_of(database)
            rows = {
                table.name: self._rows(database, table.name) for table in self._declarations.tables
            }
        held_back: list[tuple[str, Image]] = []
        every = self._quirks.late_reads_every
        if every:
            held_back = [(name, image) for name in rows for image in rows[name][::every]]
            rows = {
                name: [image for place, image in enumerate(images) if place % every]
                for name, images in rows.items()
            }
        return self._write(self._connector.snapshot(rows, last, _now_ms()), seen, held_back)

    def stream(self) -> int:
        """Write what has been committed since the last call; returns the number of records.

        Raises:
            TerminalError: `start` has not been called.
            TransientError: the broker did not take a record.
        """
        if self._seen is None:
            raise TerminalError("write the snapshot first: start() comes before stream()")
        with _reading(self._dsn) as database:
            seen, _ = _snapshot_of(database)
            transactions = _transactions(database, self._seen)
        now = _now_ms()
        late: list[Record] = []
        if self._held_back:
            rows = self._read_late(self._held_back, transactions[: len(transactions) // 2])
            late = self._connector.late_reads(rows, now)
        before = replace(self._connector.progress)
        try:
            return self._write(late + self._connector.stream(transactions, now), seen, [])
        except LakehouseError:
            # The next call sends the same records with the same places: a redelivery.
            self._connector.progress = before
            raise

    def _write(
        self, records: Sequence[Record], seen: str, held_back: list[tuple[str, Image]]
    ) -> int:
        produce({"bootstrap.servers": self._bootstrap_servers}, records)
        self._seen, self._held_back = seen, held_back
        self._remember()
        return len(records)

    def _read_late(
        self, held_back: list[tuple[str, Image]], transactions: list[Transaction]
    ) -> Iterator[tuple[str, Image]]:
        """The rows that were held back, and some new ones, as they are after `transactions`."""
        keys = {table.name: table.primary_key for table in self._declarations.tables}
        rows: dict[tuple[str, tuple[Any, ...]], Image | None] = {
            (table, key_of(keys[table], image)): image for table, image in held_back
        }
        born, every = 0, self._quirks.late_reads_every
        for transaction in transactions:
            for change in transaction.changes:
                if change.old is not None:
                    gone = change.table, key_of(keys[change.table], change.old)
                    known = gone in rows
                    rows.pop(gone, None)
                else:
                    born += 1
                    known = every > 0 and born % every == 0
                if change.new is not None and known:
                    rows[change.table, key_of(keys[change.table], change.new)] = change.new
        return ((table, image) for (table, _), image in rows.items() if image is not None)

    def _rows(self, database: Connection, table: str) -> list[Image]:
        key = ", ".join(self._declarations.table(table).primary_key)
        with database.cursor() as cursor:
            cursor.execute(f"select to_jsonb(row)::text from public.{table} as row order by {key}")
            return [_image(text) for (text,) in cursor.fetchall()]

    def _remember(self) -> None:
        if self._state is not None:
            saved = {
                "seen": self._seen,
                "progress": asdict(self._connector.progress),
                "held_back": self._held_back,
            }
            partial = self._state.with_suffix(".partial")
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(saved), encoding="utf-8")
            partial.replace(self._state)


@contextmanager
def _reading(dsn: str) -> Iterator[Connection]:
    with closing(psycopg2.connect(dsn)) as database:
        database.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield database


def _snapshot_of(database: Connection) -> tuple[str, int]:
    """What is visible, as PostgreSQL writes snapshots, and the audit's latest number in it."""
    with database.cursor() as cursor:
        cursor.execute(
            "select pg_current_snapshot()::text, (select max(sequence) from audit.changes)"
        )
        seen, last = cursor.fetchone() or ("", None)
        return seen, last or 0


def _transactions(database: Connection, seen: str) -> list[Transaction]:
    """The transactions that were not visible in the snapshot `seen`, in the order of commits."""
    changes: dict[str, list[Change]] = {}
    ends: dict[str, int] = {}
    with database.cursor("audit") as cursor:
        cursor.itersize = 10_000
        cursor.execute(
            """
            select
                sequence, table_name, operation, old_row::text, new_row::text,
                transaction_id::text,
                (extract(epoch from pg_xact_commit_timestamp(transaction_id::xid)) * 1000000)
                    ::bigint
            from audit.changes
            where not pg_visible_in_snapshot(transaction_id, %s::pg_snapshot)
            order by sequence
            """,
            (seen,),
        )
        for sequence, table, operation, old, new, transaction, ended in cursor:
            change = Change(sequence, table, operation, _image_or_none(old), _image_or_none(new))
            changes.setdefault(transaction, []).append(change)
            ends[transaction] = ended
    ordered = sorted(changes, key=lambda name: (ends[name], changes[name][0].sequence))
    return [Transaction(ends[name] // 1000, tuple(changes[name])) for name in ordered]


def _image(text: str) -> Image:
    # A float would not hold every decimal.
    image: Image = json.loads(text, parse_float=str)
    return image


def _image_or_none(text: str | None) -> Image | None:
    return None if text is None else _image(text)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
