"""The rows that a table of the source holds now, and how far its connector must have come for them.

Rows are read in the order of the key, in chunks, each in a transaction of its own that sees one
moment; after it the end of the source's log is noted, behind everything that it saw. So a reading
holds up neither the shop nor the cleaning of its old rows for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.declarations import Column
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.source.connectors import SourceTable, bracketed
from lakehouse.source.database import Database
from lakehouse.source.positions import lsn_number

Row = tuple[Any, ...]

# A SQL Server statement takes 2,100 parameters, and a key may have several parts.
_KEYS_AT_ONCE = 200

_LOG_END: dict[ConnectorName, str] = {
    "postgresql": "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn",
    "sqlserver": "select log_end_lsn from sys.dm_db_log_stats(db_id())",
}
# An empty transaction, which the connector passes on to nobody: by what it has confirmed it tells
# that it is past what was committed before, also where the shop rests.
_MARK = "select pg_logical_emit_message(true, 'lakehouse', 'reconcile') - '0/0'::pg_lsn"
_CONFIRMED = (
    "select confirmed_flush_lsn - '0/0'::pg_lsn from pg_replication_slots"
    " where slot_name = %s and database = current_database()"
)
_CAPTURED = "select convert(varchar(22), sys.fn_cdc_get_max_lsn(), 2)"
_INSTANCE = (
    "select top (1) capture_instance from cdc.change_tables where source_object_id = object_id(%s)"
    " order by create_date desc"
)
_NEWEST_COMMIT = (
    "select top (1) convert(varchar(22), __$start_lsn, 2), count(*) from cdc.{changes}"
    " where __$operation <> 3 group by __$start_lsn order by __$start_lsn desc"
)


@dataclass(frozen=True)
class Chunk:
    """Rows as they were at one moment, and where the source's log ended behind it."""

    rows: list[Row]
    log_end: int


@dataclass(frozen=True)
class SourceRows:
    """The rows of one table with the columns `columns`, of which the first ones are its `key`."""

    database: Database
    table: SourceTable
    key: tuple[Column, ...]
    columns: tuple[Column, ...]

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All rows, `size` at a time."""
        behind: Row = ()
        while True:
            where, parameters = self._behind(behind)
            chunk = self._read(where, parameters, size)
            yield chunk
            if len(chunk.rows) < size:
                return
            behind = chunk.rows[-1][: len(self.key)]

    def of(self, keys: Sequence[Row]) -> Iterator[Chunk]:
        """The rows with these keys, so far as they exist."""
        same = f"({' and '.join(f'{name} = %s' for name in self._names)})"
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[start : start + _KEYS_AT_ONCE]
            where = f" where {' or '.join([same] * len(some))}"
            yield self._read(where, [value for key in some for value in key], len(some))

    def _read(self, where: str, parameters: Sequence[Any], size: int) -> Chunk:
        connector = self.database.connector
        top, limit = (f"top ({size}) ", "") if connector == "sqlserver" else ("", f" limit {size}")
        selected = ", ".join(self._value(column) for column in self.columns)
        statement = (
            f"select {top}{selected} from {self._quoted(self.table.schema)}."
            f"{self._quoted(self.table.name)}{where} order by {', '.join(self._names)}{limit}"
        )
        with self.database.at_one_moment():
            # without parameters the drivers leave a doubled % as it is
            rows = self.database.rows(statement if parameters else statement % (), parameters)
        return Chunk(rows, log_end(self.database))

    def _behind(self, key: Row) -> tuple[str, Row]:
        """The condition of the rows behind `key`, and its parameters; SQL Server has no rows."""
        names = self._names
        if not key:
            return "", ()
        if self.database.connector == "postgresql":
            return f" where ({', '.join(names)}) > ({', '.join(['%s'] * len(names))})", key
        alternatives = [
            " and ".join([*(f"{name} = %s" for name in names[:place]), f"{names[place]} > %s"])
            for place in range(len(names))
        ]
        parameters = tuple(value for place in range(len(key)) for value in key[: place + 1])
        return f" where ({') or ('.join(alternatives)})", parameters

    @property
    def _names(self) -> list[str]:
        return [self._quoted(column.source_name(self.database.connector)) for column in self.key]

    def _value(self, column: Column) -> str:
        name = self._quoted(column.source_name(self.database.connector))
        if self.database.connector == "postgresql" and column.type.name == "varchar":
            # the text that is in the log too: a cast would take a char(n)'s blanks away
            return f"case when {name} is not null then concat({name}) end"
        return name

    def _quoted(self, name: str) -> str:
        name = name.replace("%", "%%")
        if self.database.connector == "sqlserver":
            return bracketed(name)
        return '"{}"'.format(name.replace('"', '""'))


def log_end(database: Database) -> int:
    """Where the source's log ends: behind the commit of all that was seen until now."""
    [(end,)] = database.rows(_LOG_END[database.connector])
    return lsn_number(end) if database.connector == "sqlserver" else int(end)


def require_slot(database: Database, slot: str) -> None:
    """Raises TerminalError where this is not the database that the connector with `slot` reads."""
    if not database.rows(_CONFIRMED, [slot]):
        raise TerminalError(
            f"the source has no replication slot {slot}: does the connector run, and is this its "
            "database? --slot names another one"
        )


def slot_behind(database: Database, slot: str) -> Callable[[], str]:
    """What PostgreSQL's slot lacks of all that has been committed by now; nothing when it is there.

    Debezium confirms the position of the record that Kafka acknowledged last. A slot that is
    dropped and made anew meanwhile would seem to be there.

    Raises:
        TerminalError: there is no such slot.
    """
    require_slot(database, slot)
    [(mark,)] = database.rows(_MARK)

    def behind() -> str:
        confirmed = database.rows(_CONFIRMED, [slot])
        if confirmed and confirmed[0][0] is not None and confirmed[0][0] >= mark:
            return ""
        at = confirmed[0][0] if confirmed else None
        return f"the connector (slot {slot} at {_spelled(at)}, waiting for {_spelled(mark)})"

    return behind


def capture_behind(database: Database, end: int) -> str:
    """What SQL Server's capture job lacks up to `end`; nothing when it is there.

    Where nothing is captured it moves on every five minutes.
    """
    [(captured,)] = database.rows(_CAPTURED)
    if captured is not None and int(captured, 16) >= end:
        return ""
    return f"the capture job (at {captured or 'nothing'}, waiting for {end:020x})"


def newest_commit(database: Database, table: SourceTable) -> tuple[int, int] | None:
    """The newest commit in the change table of `table`, and how many events it has there.

    Raises:
        TerminalError: the table is not captured.
    """
    instances = database.rows(_INSTANCE, [table.bracketed])
    if not instances:
        raise TerminalError(f"{table.qualified} is not captured: `lakehouse connector cdc-sql`")
    changes = bracketed(f"{instances[0][0]}_CT")
    found = database.rows(_NEWEST_COMMIT.format(changes=changes))
    return (int(found[0][0], 16), int(found[0][1])) if found else None


def _spelled(lsn: Any) -> str:
    return "nothing" if lsn is None else f"{int(lsn) >> 32:X}/{int(lsn) & 0xFFFFFFFF:X}"
