"""Rows that ended without an event, from the log alone: alive, and not read by a complete snapshot.

A snapshot's first and last read prove nothing (an empty table has none, a rejected read is no
absence). Debezium's own notification can, which says how many rows it read of a table, if exactly
so many keys are in the log, and if what it read was the whole table at one moment. Everything else
is refused. It is a finding, never a rule over tables: it becomes true when its deletes are landed
(`repair.absence_records`), and history leaves one out that something speaks against
(docs/semantics.md, rule 2b).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingestion.declarations import Declarations, Table
from ingestion.errors import RefusedError, TerminalError
from ingestion.landing.ledger import Entry
from ingestion.settings import ConnectorName
from lakehouse.case_folding import compared_key, folded
from lakehouse.dbt_files import staging_view
from lakehouse.reconcile.findings import LostDelete
from lakehouse.reconcile.run import open_warehouse
from lakehouse.settings import CommandSettings
from lakehouse.source.connectors import PSEUDONYMS
from lakehouse.source.envelopes import key_bytes
from lakehouse.source.positions import Position, SqlServerPlace, lsn_text
from lakehouse.source.tenants import rows_of

Query = Callable[[str], list[tuple[Any, ...]]]
NEWEST = "newest"
# The modes in which a connector reads all rows of its tables once, when it begins.
_INITIAL = ("initial", "initial_only", "always", "when_needed")


@dataclass(frozen=True)
class Scan:
    """What a snapshot said of one table, and where its reads stand."""

    snapshot: str
    """Identity of the snapshot."""
    rows: int
    started_at: datetime
    completed_at: datetime
    position: str
    """`_cdc_position` of its reads."""
    read_at: datetime
    """Their time, by the source's clock."""


@dataclass(frozen=True)
class Log:
    """What is asked: a warehouse's views of one table's changes, as `connector` wrote them."""

    query: Query
    staging: str
    """The schema."""
    declarations: Declarations
    connector: ConnectorName
    table: Table

    @property
    def topic(self) -> str:
        """The table's topic."""
        return self.table.topics[self.connector]

    @property
    def mine(self) -> str:
        """SQL on changes: they are of the tenant whose rows are meant, where there are any."""
        return rows_of(self.declarations.tenant)

    @property
    def changes(self) -> str:
        """The view of the table's accepted changes."""
        return self.changes_of(self.table)

    def changes_of(self, table: Table) -> str:
        """The view of another table's accepted changes."""
        return f"{self.staging}.{staging_view(table)}"

    def spelled(self, key: Mapping[str, Any]) -> str:
        """A record's key (by the source's names) as one text, spelled as it is compared."""
        columns = [self.table.column(name) for name in self.table.primary_key]
        values = [
            next((key[name] for name in column.source_names(self.connector) if name in key), None)
            for column in columns
        ]
        return json.dumps(
            [folded(value, column) for column, value in zip(columns, values, strict=True)]
        )


@contextmanager
def open_log(settings: CommandSettings, declarations: Declarations, table: Table) -> Iterator[Log]:
    """The environment's warehouse: Redshift on AWS, here the DuckDB file.

    Raises:
        TransientError: it does not answer, or is being written.
        TerminalError: it is not what it should be.
    """
    if settings.environment:
        from lakehouse.warehouse import connection

        own = connection.WarehouseSettings.from_environment(settings.environment)
        with closing(connection.Warehouse(own)) as redshift:
            staging = f"{own.schema_prefix}staging"
            yield Log(redshift.rows, staging, declarations, settings.source, table)
    else:
        with open_warehouse(settings.readable_duckdb) as connected:
            yield Log(
                lambda sql: connected.execute(sql).fetchall(),
                "staging",
                declarations,
                settings.source,
                table,
            )


def find_absences(
    log: Log, snapshot: str, settings: Mapping[str, str], ledger: Iterable[Entry]
) -> tuple[Scan, tuple[LostDelete, ...]]:
    """The rows that were alive where `snapshot` stands, and that it did not read.

    Args:
        log: the table's changes.
        snapshot: its identity, or `NEWEST`.
        settings: those of the connector that took it.
        ledger: the landing ledger's entries.

    Raises:
        TerminalError: no such snapshot read the table.
        RefusedError: it proves nothing, with the reason.
    """
    if not log.table.primary_key:
        raise TerminalError(f"table {log.table.name} is declared without a key: no row is absent")
    _require_whole_tables(settings, log.connector)
    scan = _scan(log, snapshot)
    rejected = _rejected_keys(log, scan)
    keys = ", ".join(compared_key(log.table))
    accepted = _count(
        log,
        f"select {keys} from {log.changes}"
        f" where {log.mine} and _cdc_op = 'r' and _cdc_position = '{scan.position}'"
        f" group by {keys}",
    )
    if accepted + len(rejected) != scan.rows:
        raise RefusedError(
            f"snapshot {scan.snapshot} read {scan.rows:,} rows of {log.table.name}, and the log "
            f"has {accepted:,} accepted and {len(rejected):,} rejected reads of it: what is not "
            "there may live. Has everything been landed and built?"
        )
    _require_no_loss(log, scan, ledger)
    names = [column.name for column in log.table.landed_columns]
    rows = (dict(zip(names, row, strict=True)) for row in log.query(_alive_and_unread(log, scan)))
    found = (LostDelete(log.table, row, scan.position) for row in rows)
    return scan, tuple(lost for lost in found if _key(log, lost) not in rejected)


def _require_whole_tables(settings: Mapping[str, str], connector: ConnectorName) -> None:
    """Raises RefusedError where the connector may have read parts, or at several moments."""
    transforms = {name for name in settings.get("transforms", "").split(",") if name}
    isolation = settings.get("snapshot.isolation.mode")
    one_moment = ("snapshot",) if connector == "sqlserver" else (None, "serializable")
    refusals = {
        f"snapshot.mode is {settings.get('snapshot.mode')}, not one that reads everything when the "
        f"connector begins ({', '.join(_INITIAL)})": settings.get("snapshot.mode") not in _INITIAL,
        "signals can start snapshots of a part of a table, and those notify in the same words": (
            any(name.startswith("signal.") for name in settings)
        ),
        "several threads read (snapshot.max.threads): a table's parts have no common end": (
            settings.get("snapshot.max.threads", "1") != "1"
        ),
        f"snapshot.isolation.mode is {isolation}: the rows were not read at one moment": (
            isolation not in one_moment
        ),
        "snapshot.select.statement.overrides or snapshot.query.mode choose the rows": any(
            name.startswith(("snapshot.select.statement.overrides", "snapshot.query.mode"))
            for name in settings
        ),
        "a transform stands between the rows and the topic, and may drop some": bool(
            transforms - {PSEUDONYMS.removeprefix("transforms.")}
        ),
    }
    for reason, holds in refusals.items():
        if holds:
            raise RefusedError(f"no snapshot of this connector proves an absence: {reason}")


def _scan(log: Log, snapshot: str) -> Scan:
    """The scan of the table by `snapshot`, as Debezium notified it, with the place of its reads."""
    scans = log.query(
        "select snapshot_id, source_name, scan_status, row_count, started_at, completed_at,"
        " start_received_at, completion_received_at, completion_count, chunk_count"
        f" from {log.staging}.stg_debezium__table_scans where kafka_topic = '{log.topic}'"
        " order by start_received_at desc"
    )
    wanted = scans[0][0] if scans and snapshot == NEWEST else snapshot
    chosen = [scan for scan in scans if scan[0] == wanted]
    if not chosen:
        known = ", ".join(f"{scan[0]} ({scan[4]:%Y-%m-%d %H:%M:%S} UTC)" for scan in scans)
        raise TerminalError(
            f"no notification says that snapshot {wanted} read {log.table.name}; "
            f"those that did: {known or 'none'}"
        )
    name, prefix, status, rows, started_at, completed_at, began, ended, ends, chunks = chosen[0]
    refusals = {
        "another snapshot of the same prefix ran at the same time": len(chosen) > 1 or ends > 1,
        "it never was complete": completed_at is None,
        f"its scan of {log.table.name} ended with {status}": status != "SUCCEEDED",
        "its notification has no number of rows": rows is None,
        "several threads read: a table's parts have no common end": chunks > 0,
        f"the declarations know no epoch of its prefix {prefix}": (
            prefix not in log.declarations.connectors[log.connector].epochs
        ),
    }
    for reason, holds in refusals.items():
        if holds:
            raise RefusedError(f"snapshot {name} proves no absence: {reason}")
    epoch = log.declarations.connectors[log.connector].epochs[prefix]
    # an empty table was read where the others were
    tables = [log.table] if rows else log.declarations.tables
    window = f"kafka_timestamp between timestamp '{began}' and timestamp '{ended}'"
    places = {
        position: read_at
        for table in tables
        for position, read_at in log.query(
            f"select _cdc_position, max(_cdc_committed_at) from {log.changes_of(table)}"
            f" where {log.mine} and _cdc_op = 'r' and _cdc_position like '{epoch:04d}:%'"
            f" and {window}"
            " group by _cdc_position"
        )
    }
    if len(places) != 1:
        raise RefusedError(
            f"snapshot {name} proves no absence: the log has {len(places)} places of reads from "
            "its time, so where it stands is not known"
        )
    [(position, read_at)] = places.items()
    scan = Scan(name, rows, started_at, completed_at, position, read_at)
    if not _is_initial(log.connector, position):
        raise RefusedError(
            f"snapshot {name} proves no absence: its reads stand within the stream, as those of "
            "incremental and blocking snapshots do"
        )
    if log.connector == "postgresql":
        _require_new_slot(log, scan, began)
    return scan


def _is_initial(connector: ConnectorName, position: str) -> bool:
    """Whether it is the place of a read that a connector made before it had streamed anything."""
    place = Position.parse(connector, position).place
    if isinstance(place, SqlServerPlace):
        return not place.change and not place.serial
    return place.commit_before == place.lsn and not place.order


def _require_new_slot(log: Log, scan: Scan, began: datetime) -> None:
    """Raises RefusedError where PostgreSQL's slot is older than the snapshot.

    Only a new slot exports the moment of its position. Beside an older one the rows are read a
    little before that: what is streamed afterwards, from before it, may be a row that was not seen.
    """
    epoch, _, _ = scan.position.partition(":")
    if _count(
        log,
        f"select 1 from {log.changes} where {log.mine} and _cdc_op <> 'r' and _cdc_commit_known"
        " and not _cdc_is_absence"
        f" and _cdc_position between '{epoch}:' and '{scan.position}'"
        f" and kafka_timestamp > timestamp '{began}'",
    ):
        raise RefusedError(
            f"snapshot {scan.snapshot} proves no absence: changes from before it were streamed "
            "after it, so its replication slot was not made with it, or another connector streams "
            "beside it"
        )


def _rejected_keys(log: Log, scan: Scan) -> set[str]:
    """The keys of the snapshot's reads that are in quarantine: a rejected read is no absence."""
    place = Position.parse(log.connector, scan.position).place
    field, wanted = (
        ("commit_lsn", lsn_text(place.commit))
        if isinstance(place, SqlServerPlace)
        else ("lsn", str(place.lsn))
    )
    keys = set()
    for key, value in log.query(
        f"select kafka_key, kafka_value from {log.staging}.quarantine"
        f" where table_name = '{log.table.name}' and kafka_topic = '{log.topic}'"
    ):
        event = _parsed(value)
        source = event.get("source")
        if event.get("op") != "r" or not isinstance(source, dict):
            continue
        if str(source.get(field)) == wanted:
            row = _parsed(key)
            expected = [
                log.table.column(n).source_names(log.connector) for n in log.table.primary_key
            ]
            if len(row) != len(expected) or any(row.keys().isdisjoint(names) for names in expected):
                raise RefusedError(
                    f"snapshot {scan.snapshot} proves no absence: it read a row that was rejected, "
                    f"and whose key cannot be read, of {log.table.name}"
                )
            keys.add(log.spelled(row))
    return keys


def _parsed(content: bytes | None) -> dict[str, Any]:
    """The object that JSON spells; empty where it spells none."""
    try:
        document = json.loads(content or b"null")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _key(log: Log, lost: LostDelete) -> str:
    return log.spelled(json.loads(key_bytes(lost.row, log.table, log.connector)))


def _require_no_loss(log: Log, scan: Scan, ledger: Iterable[Entry]) -> None:
    """Raises RefusedError where a loss was accepted between the snapshot's first and last read."""
    ranges = {
        (incarnation, partition): (first, last)
        for incarnation, partition, first, last in log.query(
            "select _cdc_incarnation, kafka_partition, min(kafka_offset), max(kafka_offset)"
            f" from {log.changes} where {log.mine} and _cdc_op = 'r'"
            f" and _cdc_position = '{scan.position}'"
            " group by _cdc_incarnation, kafka_partition"
        )
    }
    for entry in ledger:
        if entry.table != log.table.name or entry.kind == "landed":
            continue
        first, last = ranges.get((entry.incarnation, entry.kafka_partition), (0, -1))
        if entry.from_offset <= last and entry.until_offset >= first:
            raise RefusedError(
                f"snapshot {scan.snapshot} proves no absence: a loss was accepted within it, "
                f"{entry.partition}, offsets {entry.from_offset} to {entry.until_offset}"
            )


def _count(log: Log, query: str) -> int:
    [(count,)] = log.query(f"select count(*) from ({query}) as counted")
    return int(count)


def _alive_and_unread(log: Log, scan: Scan) -> str:
    """SQL: the landed columns, as last known, of rows whose delete history would keep (rule 2b)."""
    key = [f"{expression} as _key_{n}" for n, expression in enumerate(compared_key(log.table))]
    names = [f"_key_{n}" for n, _ in enumerate(key)]
    by_key, same = ", ".join(names), " and ".join(f"past.{n} = {{0}}.{n}" for n in names)
    rank = "case _cdc_op when 'd' then 0 when 'c' then 1 when 'u' then 2 else 3 end"
    columns = ", ".join(f"past.{column.name}" for column in log.table.landed_columns)
    arrival = ", ".join(
        f"{name} desc"
        for name in (
            "_cdc_committed_at",
            "kafka_timestamp",
            "_cdc_incarnation",
            "kafka_partition",
            "kafka_offset",
        )
    )
    return f"""
        with changes as (
            select changes.*, {", ".join(key)} from {log.changes} as changes where {log.mine}
        ),
        past as (
            select
                changes.*,
                row_number() over (
                    partition by {by_key} order by _cdc_position desc, {rank} desc, {arrival}
                ) as _recency,
                max(case when _cdc_commit_known then 0 else 1 end) over (partition by {by_key})
                    as _has_floating
            from changes
            where _cdc_position < '{scan.position}'
                or (_cdc_position = '{scan.position}' and _cdc_op = 'd')
        ),
        unless_read as (
            select {by_key} from changes
            where _cdc_op = 'r' and _cdc_position = '{scan.position}'
            group by {by_key}
        ),
        later as (
            select
                {by_key},
                _cdc_op,
                row_number() over (partition by {by_key} order by _cdc_position, {rank}) as _place
            from changes
            where _cdc_op <> 'r' and not _cdc_is_absence and _cdc_position > '{scan.position}'
        )
        select {columns}
        from past
        left join unless_read on {same.format("unless_read")}
        left join later on {same.format("later")} and later._place = 1
        where past._recency = 1
            and past._cdc_op <> 'd'
            and past._has_floating = 0
            and past.kafka_timestamp < (
                select max(start_received_at) from {log.staging}.stg_debezium__table_scans
                where snapshot_id = '{scan.snapshot}'
            )
            and unless_read._key_0 is null
            and coalesce(later._cdc_op, 'c') = 'c'
        order by {", ".join(f"past.{name}" for name in log.table.primary_key)}"""
