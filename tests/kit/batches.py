"""Many logs in one warehouse: disjoint keys, one landing zone, the runs that the logs ask for.

A dbt run costs seconds whatever is in it, so hundreds of logs share each one. Each log gets keys of
its own; after every full build the tables of every log are compared with the reference model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from ingestion.declarations import Declarations, Table
from lakehouse.source.envelopes import Value
from tests.kit import reference
from tests.kit.landing import Delivery, LandingZone
from tests.kit.reference import Change, Record, Rejected, Tombstone
from tests.kit.warehouse import Warehouse
from tests.kit.worked import Key, WorkedHistory

SPACING = 1000
"""Log n has the integer keys above n * SPACING."""

HistoryLine = tuple[Any, ...]
Tables = Mapping[str, Mapping[int, set[HistoryLine]]]
"""Rows by table and number of the log."""


@dataclass
class Batch:
    """Logs of one connector that share a landing zone and a warehouse."""

    declarations: Declarations
    logs: Sequence[WorkedHistory]
    warehouse: Warehouse
    incarnations_before: int = 0
    """Those that another batch in the same landing zone has."""
    landed: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list), init=False)
    _zone: LandingZone = field(init=False)

    def __post_init__(self) -> None:
        connector = self.warehouse.connector
        self._zone = LandingZone(
            self.warehouse.landing, self.declarations, connector, self.incarnations_before
        )

    def over(self, warehouse: Warehouse, declarations: Declarations | None = None) -> Batch:
        """The same logs, landed as far as here, with another warehouse, or declared otherwise."""
        declared = declarations or self.declarations
        logs = [replace(log, table=declared.table(log.table.name)) for log in self.logs]
        moved = Batch(declared, logs, warehouse)
        moved.landed = self.landed
        return moved

    @property
    def tables(self) -> list[Table]:
        """The tables that the logs are of."""
        names = {log.table.name for log in self.logs}
        return [table for table in self.declarations.tables if table.name in names]

    @property
    def runs(self) -> list[int]:
        """The runs that the logs ask for, in order."""
        return sorted({run for log in self.logs for run, _ in log.deliveries()})

    @property
    def selection(self) -> list[str]:
        """What of the dbt project the logs concern."""
        nodes = [f"+{t.name}_history" for t in self.tables if t.history == "all"]
        return ["--select", *nodes, *(f"+stg_retail__{table.name}" for table in self.tables)]

    def land(self, run: int) -> None:
        """Land what all logs have for `run`, each table as one batch."""
        waiting: dict[str, list[tuple[int, Delivery]]] = defaultdict(list)
        for number, log in enumerate(self.logs):
            for asked, delivery in log.deliveries(rekeyed(number)):
                if asked == run:
                    waiting[log.table.name].append((number, delivery))
        for table in self.tables:
            pairs = sorted(
                waiting[table.name], key=lambda pair: (pair[1].incarnation, pair[1].partition)
            )
            records = self._zone.land(table, [delivery for _, delivery in pairs])
            for (number, _), record in zip(pairs, records, strict=True):
                self.landed[number].append(record)

    def expected(self) -> Tables:
        """The histories that the reference model gives for what has been landed."""
        tables: dict[str, dict[int, set[HistoryLine]]] = defaultdict(lambda: defaultdict(set))
        for number, log in enumerate(self.logs):
            changes = self.changes(number)
            for rows in reference.history(changes).values():
                for row in rows:
                    tables[log.table.name][number].add(expected_line(row, log.table))
        return tables

    def expected_verdicts(self) -> Tables:
        """What the logs have to say of each landed record."""
        tables: dict[str, dict[int, set[HistoryLine]]] = defaultdict(lambda: defaultdict(set))
        for number, log in enumerate(self.logs):
            for record in self.landed[number]:
                verdict = reference.judge(record, log.table, log.source)
                tables[log.table.name][number].add(
                    (record.incarnation, record.partition, record.offset, *told(verdict))
                )
        return tables

    def changes(self, number: int) -> list[Change]:
        """The accepted changes of a log that have been landed."""
        log = self.logs[number]
        verdicts = (reference.judge(r, log.table, log.source) for r in self.landed[number])
        return [verdict for verdict in verdicts if isinstance(verdict, Change)]

    def histories(self) -> Tables:
        """The histories that the warehouse holds; a row that is there twice says so."""
        tables: dict[str, dict[int, set[HistoryLine]]] = defaultdict(lambda: defaultdict(set))
        for table in self.tables:
            for line in history_lines(self.warehouse, table):
                lines = tables[table.name][owner(line[0])]
                lines.add((*line, "twice") if line in lines else line)
        return tables

    def verdicts(self) -> Tables:
        """What the logs say of each landed record."""
        owners = {
            (self.logs[number].table.name, r.incarnation, r.partition, r.offset): number
            for number, records in self.landed.items()
            for r in records
        }
        tables: dict[str, dict[int, set[HistoryLine]]] = defaultdict(lambda: defaultdict(set))
        for table in self.tables:
            for line in verdict_lines(self.warehouse, table):
                tables[table.name][owners[table.name, line[0], line[1], line[2]]].add(line)
        return tables


class AlwaysPlain(Random):
    """Chooses the first of all: plain builds."""

    def choice(self, seq):  # type: ignore[no-untyped-def]
        return seq[0]


def rekeyed(number: int) -> Callable[[Key], Key]:
    """Moves a key of log `number` to where no other log has one."""

    def move(key: Key) -> Key:
        first, *rest = key
        if isinstance(first, str):
            return (f"{number * SPACING}/{first}", *rest)
        assert isinstance(first, int)
        return (number * SPACING + SPACING // 2 + first, *rest)

    return move


def owner(key: Value) -> int:
    """The number of the log whose key this is."""
    if isinstance(key, str):
        return int(key.split("/")[0]) // SPACING
    assert isinstance(key, int)
    return key // SPACING


_OWN = (
    "_cdc_position",
    "_cdc_order",
    "_cdc_op",
    "is_deleted",
    "_cdc_committed_at",
    "_cdc_not_carried",
    "_cdc_row_hash",
    "_cdc_tracked_hash",
    "_cdc_before_hash",
    "dbt_scd_id",
    "dbt_updated_at",
    "dbt_valid_from",
    "dbt_valid_to",
)
"""Columns of a history that do not depend on arrival, after the declared ones."""


def history_lines(warehouse: Warehouse, table: Table, schema: str = "history") -> list[HistoryLine]:
    """The rows of a history, without what depends on arrival; the key leads."""
    names = [column.name for column in table.landed_columns]
    columns = ", ".join([*names, *_OWN])
    return warehouse.rows(f"select {columns} from {schema}.{table.name}_history")


def written_lines(warehouse: Warehouse, table: Table) -> dict[str, list[HistoryLine]]:
    """All rows of a log and of a history with all their columns, the run that wrote them too."""
    return {
        relation: sorted(warehouse.rows(f"select * from {relation}"), key=str)
        for relation in (f"staging.{table.name}__log", f"history.{table.name}_history")
    }


def verdict_lines(warehouse: Warehouse, table: Table) -> list[HistoryLine]:
    """The verdicts of a log: coordinates (three columns), status, reason, position."""
    return warehouse.rows(
        f"""
        select
            _cdc_incarnation, kafka_partition, kafka_offset,
            _cdc_status, _cdc_reject_reason, _cdc_position
        from staging.{table.name}__log
        """
    )


def expected_line(row: reference.HistoryRow, table: Table) -> HistoryLine:
    """A row of the reference model as `history_lines` gives it."""
    before = None if row.before is None else reference.values_hash(row.before, table)
    return (
        *row.row,
        row.position,
        row.order,
        row.op,
        row.is_deleted,
        row.committed_at,
        reference.listed(row.not_carried, table),
        reference.values_hash(row.row, table),
        reference.values_hash(row.row, table, table.tracked_columns),
        before,
        reference.version_id(row, table),
        row.committed_at,
        row.valid_from,
        row.valid_to,
    )


def told(verdict: reference.Verdict) -> tuple[str, str | None, str | None]:
    """A verdict as `verdict_lines` gives it."""
    if isinstance(verdict, Tombstone):
        return ("tombstone", None, None)
    if isinstance(verdict, Rejected):
        return ("rejected", verdict.reason, None)
    return ("accepted", None, verdict.position)


def wrong_logs(expected: Tables, found: Tables) -> list[int]:
    """The numbers of the logs whose rows are not what they should be."""
    tables = {*expected, *found}
    numbers = {
        number
        for table in tables
        for number in {*expected.get(table, {}), *found.get(table, {})}
        if expected.get(table, {}).get(number, set()) != found.get(table, {}).get(number, set())
    }
    return sorted(numbers)


def new_batch(
    parsed: Warehouse, folder: Path, declarations: Declarations, logs: Sequence[WorkedHistory]
) -> Batch:
    """A batch in `folder` for `logs`, which are of the connector of the `parsed` project."""
    warehouse = replace(parsed, landing=folder / "landing", file=folder / "warehouse.duckdb")
    return Batch(declarations, logs, warehouse)


def difference(batch: Batch, number: int) -> str:
    """What is missing and what is too much in the history of a log, for people."""
    table = batch.logs[number].table
    expected = batch.expected().get(table.name, {}).get(number, set())
    found = batch.histories().get(table.name, {}).get(number, set())
    names = [*(column.name for column in table.landed_columns), *_OWN, "found"]
    parts = [
        f"{head}:\n" + "\n".join(_spelled(line, names) for line in sorted(lines, key=str))
        for head, lines in (("expected", expected - found), ("found", found - expected))
    ]
    return "\n".join(parts)


def _spelled(line: HistoryLine, names: Sequence[str]) -> str:
    shown = (
        f"{name}={value.isoformat(' ') if isinstance(value, datetime) else value}"
        for name, value in zip(names, line, strict=False)
        if value is not None and not name.endswith("_hash") and name != "dbt_scd_id"
    )
    return "  " + ", ".join(shown)
