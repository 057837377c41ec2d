"""What data tests have told and somebody has to decide: breaks, garbage, times, drift.

A finding is open until it heals or is accepted. `operations.acceptances` keeps who accepted what,
when and why; the tests (before_images_chain, nothing_in_quarantine, no_truncate,
no_commit_in_the_future, no_drift) leave out what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ingestion.declarations import Declarations, Table
from ingestion.errors import RefusedError, TerminalError, TransientError
from lakehouse.case_folding import compared_key
from lakehouse.published import owner_of, told_owner
from lakehouse.settings import CommandSettings
from lakehouse.source.tenants import row_key

Kind = Literal["break", "record", "drift"]


@dataclass(frozen=True)
class Finding:
    """Something wrong that a data test has stored, and what accepting it names."""

    kind: Kind
    table: str
    name: str
    """A break: `dbt_scd_id` of the version; a record: incarnation/partition/offset; drift: its
    tenant, where there are any, kind and columns."""
    what: str
    key: dict[str, str] = field(default_factory=dict)
    """Of the row whose chain is broken."""

    @property
    def relation(self) -> str:
        """What holds it, as the data tests know it."""
        return f"{self.table}_history" if self.kind == "break" else f"{self.table}__log"


@dataclass(frozen=True)
class Acceptance:
    """A finding that somebody has accepted."""

    relation: str
    finding: str
    reason: str
    accepted_by: str
    accepted_at: datetime


@dataclass(frozen=True)
class Findings:
    """The findings of a warehouse."""

    run: Callable[[str], list[tuple[Any, ...]]]
    prefix: str
    declared: Declarations

    def open(self) -> list[Finding]:
        """What the last tests told, and nobody has accepted."""
        accepted = {(each.relation, each.finding) for each in self.accepted()}
        tables = {name for [name] in self.run(_TABLES)}
        found: list[Finding] = []
        for table in self.declared.tables:
            stored = f"{self.prefix}operations.before_images_chain_{table.name}"
            if stored in tables:
                found += self._breaks(table, stored)
        for view, what in (
            ("quarantine", "_cdc_reject_reason"),
            ("dated_ahead", "'commit time ' || cast(_cdc_committed_at as varchar)"),
        ):
            if f"{self.prefix}staging.{view}" in tables:
                found += self._records(f"{self.prefix}staging.{view}", what)
        if f"{self.prefix}staging.drift" in tables:
            found += self._drift(f"{self.prefix}staging.drift")
        return [each for each in found if (each.relation, each.name) not in accepted]

    def _breaks(self, table: Table, stored: str) -> Iterator[Finding]:
        # Names come from the declarations, which allow letters, digits and _ only.
        names = row_key(self.declared, compared_key(table))
        columns = ", ".join(names)
        for *key, name, position, operation in self.run(
            f"select {columns}, dbt_scd_id, _cdc_position, _cdc_op from {stored}"
            f" order by {columns}, _cdc_position"
        ):
            values = dict(zip(names, map(str, key), strict=True))
            yield Finding("break", table.name, name, f"{operation} at {position}", values)

    def _records(self, view: str, what: str) -> Iterator[Finding]:
        for name, incarnation, partition, offset, told in self.run(
            f"select table_name, _cdc_incarnation, kafka_partition, kafka_offset, {what}"
            f" from {view} order by 1, 2, 3, 4"
        ):
            yield Finding("record", name, f"{incarnation}/{partition}/{offset}", told)

    def _drift(self, view: str) -> Iterator[Finding]:
        for table, finding, columns in self.run(
            f"select table_name, finding, column_names from {view} where is_current order by 1, 2"
        ):
            yield Finding("drift", table, finding, columns)

    def accepted(self) -> list[Acceptance]:
        """All that was ever accepted, the newest first."""
        if f"{self.prefix}operations.acceptances" not in {name for [name] in self.run(_TABLES)}:
            raise TerminalError("nothing is built by this version yet: run `dbt build` first")
        rows = self.run(
            "select relation, finding, reason, accepted_by, accepted_at"
            f" from {self.prefix}operations.acceptances order by accepted_at desc, finding"
        )
        return [
            Acceptance(relation, finding, reason, by, moment.replace(tzinfo=UTC))
            for relation, finding, reason, by, moment in rows
        ]

    def accept(self, findings: Sequence[Finding], reason: str, by: str) -> None:
        """Keep that they are accepted, in one statement; no text has a backslash."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
        rows = (
            f"({_text(each.relation)}, {_text(each.name)}, {_text(reason)}, {_text(by)},"
            f" cast('{now}' as timestamp))"
            for each in findings
        )
        self.run(
            f"insert into {self.prefix}operations.acceptances"
            f" (relation, finding, reason, accepted_by, accepted_at) values {', '.join(rows)}"
        )


_TABLES = "select table_schema || '.' || table_name from information_schema.tables"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def open_findings(
    settings: CommandSettings, declared: Declarations, *, write: bool
) -> Iterator[Findings]:
    """The findings of the environment's target: Redshift on AWS, here the DuckDB file.

    Raises:
        TransientError: the warehouse does not answer, or a build has the file open.
        TerminalError: there is no warehouse.
    """
    if settings.environment:
        from lakehouse.warehouse import connection

        redshift = connection.WarehouseSettings.from_environment(settings.environment)
        with closing(connection.Warehouse(redshift)) as warehouse:

            def run(sql: str) -> list[tuple[Any, ...]]:
                if sql.startswith("insert"):
                    warehouse.run(sql)
                    return []
                return warehouse.rows(sql)

            yield Findings(run, redshift.schema_prefix, declared)
        return
    import duckdb

    place = settings.duckdb if write else settings.readable_duckdb
    if not place.exists():
        raise TerminalError(f"there is no warehouse at {place} yet: run `dbt build`")
    if write and (owner := owner_of(place)):
        raise RefusedError(told_owner(place, owner))
    try:
        file = duckdb.connect(str(place), read_only=not write)
    except duckdb.IOException as error:
        raise TransientError(f"{place} cannot be opened: {error}") from error
    with file:
        yield Findings(lambda sql: file.execute(sql).fetchall(), "", declared)
