"""`lakehouse reconcile`: the warehouse against the shop's audit, its own tables, or a snapshot."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ingestion.declarations import Declarations, load
from ingestion.errors import RefusedError, TerminalError
from lakehouse.console import (
    AsJson,
    Exit,
    OnTarget,
    Tenant,
    console,
    note,
    say,
    show_json,
    show_table,
)
from lakehouse.settings import CommandSettings
from lakehouse.source.tenants import of_tenant

if TYPE_CHECKING:
    from lakehouse.kafka.produce import Record
    from lakehouse.reconcile.findings import Difference, LostDelete, Reconciliation
    from lakehouse.reconcile.rows import TableRows


app = typer.Typer()

Salt = Annotated[
    str,
    typer.Option(
        help="Salt of the columns with pii: hash, by default LAKEHOUSE_PII_SALT; without it they "
        "are not compared.",
    ),
]
Slot = Annotated[
    str,
    typer.Option(
        help="PostgreSQL: the connector's replication slot, if it is not the one that "
        "`lakehouse connector render` names.",
    ),
]
AtMost = Annotated[int, typer.Option(min=1, help="With --repair: more deletes than this stop it.")]


@app.callback(invoke_without_command=True)
def reconcile(
    context: typer.Context,
    salt: Salt = "",
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Write the deletes that no event told of to Kafka: rows that the warehouse has "
            "and the source has no longer.",
        ),
    ] = False,
    at_most: AtMost = 1_000,
    slot: Slot = "",
    tenant: Tenant = "",
    as_json: AsJson = False,
) -> None:
    """Compare target local with the audit in the source: every version, every row of every mart.

    Where the source has tenants, the versions of the one that is named: marts are of all. Exit code
    3 if anything differs. Let the pipeline catch up before: what is not yet landed and built is a
    difference.
    """
    from lakehouse.health.verdicts import keep_verdict
    from lakehouse.reconcile.run import reconcile as compare
    from lakehouse.source.database import open_database
    from lakehouse.source.rows import require_slot

    if context.invoked_subcommand:
        return
    settings, declared = CommandSettings.from_environment(), of_tenant(load(), tenant)
    if settings.environment:
        raise TerminalError(
            "the audit is the playground shop's, and compared with target local. "
            f"`lakehouse reconcile rows` compares target {settings.environment} with the source"
        )
    if not settings.source_dsn:
        raise TerminalError(
            "which source? Set LAKEHOUSE_SOURCE_DSN to the shop's PostgreSQL database"
        )
    slot = slot or _rendered(settings, declared).get("slot.name", "")
    if tenant and slot:
        # in another tenant's database each row looks lost
        with open_database(settings) as database:
            require_slot(database, slot)
    with console(stderr=True).status(Text("reconciling")) as status:
        result = compare(
            declared,
            dsn=settings.source_dsn,
            warehouse=settings.readable_duckdb,
            salt=salt or settings.pii_salt,
            on_table=lambda name: status.update(Text(f"reconciling {name}")),
        )
    differing = sum(each.differing_keys for each in result.histories)
    differing += sum(each.differing_rows for each in result.marts)
    keep_verdict(settings, declared, _compared("reconcile", tenant), differing)
    if as_json:
        lost = [{"table": delete.table.name, "key": delete.key} for delete in result.lost_deletes]
        show_json(
            {
                "agrees": result.agrees,
                "histories": result.histories,
                "marts": result.marts,
                "skipped_columns": result.skipped_columns,
                "lost_deletes": lost,
            }
        )
    else:
        show(result)
    if repair:
        _repair(result, at_most, settings, declared)
    elif result.lost_deletes:
        note(
            f"{len(result.lost_deletes):,} rows are gone from the source, and the warehouse has "
            "not heard of it. If it has caught up, no event told of them (the connector was down "
            "for too long): `lakehouse reconcile --repair` writes their deletes."
        )
    if not result.agrees:
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def absences(
    table: Annotated[str, typer.Argument(help="A declared table.")],
    snapshot: Annotated[
        str,
        typer.Option(
            help="Identity of the snapshot that has not read them, or `newest`; "
            "staging.stg_debezium__table_scans has them.",
        ),
    ],
    repair: Annotated[
        bool, typer.Option("--repair", help="Write a delete for each of them to Kafka.")
    ] = False,
    at_most: AtMost = 1_000,
    tenant: Tenant = "",
    target: OnTarget = None,
    as_json: AsJson = False,
) -> None:
    """Find rows that live in the log and that a complete snapshot of the table did not read.

    Their deletes left no event: a restored backup, a gap in the capture. The log alone is asked,
    not the source. --repair writes deletes at the snapshot's place, which history leaves out where
    something speaks against them. Exit code 3 if there are any, 4 if the snapshot proves nothing.
    """
    from ingestion.landing.ledger import entries
    from lakehouse.health.landing_zone import open_zone
    from lakehouse.health.waiting import await_built
    from lakehouse.reconcile.absences import find_absences, open_log
    from lakehouse.reconcile.repair import absence_records

    settings, declared = CommandSettings.of_target(target), of_tenant(load(), tenant)
    own = _rendered(settings, declared)
    ledger = entries(open_zone(settings))
    with open_log(settings, declared, declared.table(table)) as log:
        scan, absent = find_absences(log, snapshot, own, ledger)
    if as_json:
        keys = [lost.key for lost in absent]
        show_json({"table": table, "snapshot": scan, "absent": keys})
    else:
        say(
            f"{table}: snapshot {scan.snapshot} of {scan.started_at:%Y-%m-%d %H:%M:%S} UTC read "
            f"{scan.rows:,} rows; {len(absent):,} others were alive"
        )
        for lost in absent:
            say((table, "bold"), f", {lost.key}: not read")
    if absent and repair:
        # a delete that is only on its way must not be written a second time, with a false date
        _require_few(absent, at_most, f"{scan.snapshot} a snapshot of the right database")
        await_built(settings, declared, [table])
        read_at = scan.read_at.replace(tzinfo=UTC)
        now = datetime.now(UTC)
        _write(settings, absence_records(declared, settings.source, absent, read_at, now), absent)
    if absent:
        raise typer.Exit(Exit.ATTENTION)


@app.command()
def rows(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Declared tables; all where none is named.")
    ] = None,
    chunk_rows: Annotated[
        int, typer.Option(min=1, help="Rows that one transaction reads from the source.")
    ] = 10_000,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Write a delete to Kafka for each row that only the log has."
        ),
    ] = False,
    at_most: AtMost = 1_000,
    wait: Annotated[
        int, typer.Option(min=0, help="Seconds that the pipeline may take to catch up, in all.")
    ] = 600,
    slot: Slot = "",
    salt: Salt = "",
    tenant: Tenant = "",
    target: OnTarget = None,
    as_json: AsJson = False,
) -> None:
    """Compare the rows that the source's own tables hold with the current ones of the log.

    No audit is needed, and the shop may go on: what differs is read again, when the pipeline, which
    has to run beside, has caught up, and counts if nothing has changed on either side. Exit code 3
    if anything differs, 4 if the log stays behind, or rows cannot be repaired by a delete.
    """
    from lakehouse.health.verdicts import keep_verdict
    from lakehouse.health.waiting import Patience
    from lakehouse.reconcile.repair import delete_records
    from lakehouse.reconcile.rows import compare_rows
    from lakehouse.reconcile.scope import Scope
    from lakehouse.source.database import open_database

    settings, declared = CommandSettings.of_target(target), of_tenant(load(), tenant)
    selected = tuple(each for each in declared.select(tables or []) if each.primary_key or tables)
    salt = salt or settings.pii_salt
    slot = slot or _rendered(settings, declared).get("slot.name", "")
    with (
        console(stderr=True).status(Text("reconciling")) as status,
        open_database(settings) as database,
    ):
        compared = compare_rows(
            selected,
            settings,
            declared,
            database,
            salt=salt,
            slot=slot,
            chunk_rows=chunk_rows,
            patience=Patience(time.monotonic() + wait, lambda said: status.update(Text(said))),
        )
    skipped = [name for table in selected for name in Scope(table, salt).skipped]
    _show_rows(compared, skipped, as_json=as_json)
    found = [row for table in compared for row in table.differences]
    keep_verdict(settings, declared, _compared("reconcile rows", tenant, tables), len(found))
    extra = [row.extra for row in found if row.extra]
    if extra and repair:
        _require_few(extra, at_most, "LAKEHOUSE_SOURCE_DSN the database that the connector reads")
        _write(settings, delete_records(declared, settings.source, extra, datetime.now(UTC)), extra)
    if repair and len(extra) < len(found):
        names = list(dict.fromkeys(row.table.name for row in found if not row.extra))
        options = " ".join(f"--snapshot-of {name}" for name in names)
        options += f" --tenant {tenant}" if tenant else ""
        raise RefusedError(
            f"{len(found) - len(extra):,} rows are missing or wrong ({', '.join(names)}), and only "
            "the source can say what they are: read these tables anew with a second connector, "
            f"`lakehouse connector render {options}` (docs/runbooks/operations.md)"
        )
    if found:
        raise typer.Exit(Exit.ATTENTION)


def _compared(command: str, tenant: str, tables: Sequence[str] | None = None) -> str:
    """The command line that says what a verdict is of."""
    return " ".join([command, *(tables or []), *(["--tenant", tenant] if tenant else [])])


def _rendered(settings: CommandSettings, declared: Declarations) -> dict[str, str]:
    """The settings of the connector that reads the source."""
    from lakehouse.source.connectors import render

    return render(
        declared,
        settings.source,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
    )


def _show_rows(compared: Sequence[TableRows], skipped: Sequence[str], *, as_json: bool) -> None:
    found = [row for table in compared for row in table.differences]
    if as_json:
        show_json(
            {
                "agrees": not found,
                "tables": [
                    {
                        "table": table.table,
                        "source_rows": table.source_rows,
                        "read_again": table.read_again,
                        "differing_rows": len(table.differences),
                    }
                    for table in compared
                ],
                "differences": [
                    {"table": row.table.name, "position": row.position} | vars(row.difference)
                    for row in found
                ],
                "skipped_columns": skipped,
            }
        )
        return
    show_table(
        ("table", "source", "read again", "differ"),
        [
            _cells(table.table, table.source_rows, table.read_again, len(table.differences))
            for table in compared
        ],
        names=1,
    )
    if skipped:
        say(f"not compared without the salt: {', '.join(skipped)}")
    for row in found:
        last = f", last change at {row.position}" if row.position else ""
        say((row.table.name, "bold"), f", {row.difference.key}: {row.difference.kind}{last}")
        say(f"    source     {row.difference.source}")
        say(f"    log        {row.difference.warehouse}")
    say(("source and log differ", "red") if found else ("source and log agree", "green"))


def _repair(
    result: Reconciliation, at_most: int, settings: CommandSettings, declared: Declarations
) -> None:
    """Write the lost deletes to the topics of their tables.

    Raises:
        RefusedError: the pipeline has not caught up, or there are more than `at_most`.
    """
    from lakehouse.health.waiting import await_built
    from lakehouse.reconcile.repair import delete_records

    lost = result.lost_deletes
    if not lost:
        note("nothing to repair: the source has every current row of the warehouse")
        return
    _require_few(lost, at_most, "LAKEHOUSE_SOURCE_DSN the database that the connector reads")
    await_built(settings, declared, dict.fromkeys(delete.table.name for delete in lost))
    _write(settings, delete_records(declared, settings.source, lost, datetime.now(UTC)), lost)


def _require_few(lost: Sequence[LostDelete], at_most: int, source: str) -> None:
    """Raises RefusedError where so many deletes look like a mistake."""
    if len(lost) > at_most:
        raise RefusedError(
            f"{len(lost):,} rows are gone from the source ({_counts(lost)}), more than --at-most "
            f"{at_most}. Is {source}? Then allow as many"
        )


def _write(
    settings: CommandSettings, records: Sequence[Record], lost: Sequence[LostDelete]
) -> None:
    from ingestion.kafka.auth import librdkafka_security
    from lakehouse.kafka.produce import produce

    client = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        **librdkafka_security(settings),
    }
    produce(client, records)
    note(
        f"{len(lost):,} deletes written to Kafka ({_counts(lost)}). `lakehouse land --once` and "
        "`dbt build` take them over."
    )


def _counts(lost: Iterable[LostDelete]) -> str:
    counts = Counter(delete.table.name for delete in lost)
    return ", ".join(f"{table} {count:,}" for table, count in counts.items())


def show(result: Reconciliation) -> None:
    """Print the comparison: one row per history and mart, then the first differing keys of each."""
    say("Versions of the histories: source and warehouse")
    show_table(
        ("table", "source", "warehouse", "earlier", "differ"),
        [
            _cells(
                history.table,
                history.source_versions,
                history.warehouse_versions,
                history.before_capture,
                history.differing_keys,
            )
            for history in result.histories
        ],
        names=1,
    )
    if result.marts:
        say("Rows of the marts: source and warehouse")
        show_table(
            ("mart", "source", "warehouse", "differ"),
            [
                _cells(mart.mart, mart.source_rows, mart.warehouse_rows, mart.differing_rows)
                for mart in result.marts
            ],
            names=1,
        )
    else:
        say("Marts are not compared: they have the rows of all tenants")
    say("earlier: from before the capture; differ: keys on which the two differ")
    if result.skipped_columns:
        say(f"not compared without the salt: {', '.join(result.skipped_columns)}")
    for history in result.histories:
        _show_differences(history.table, history.differences)
    for mart in result.marts:
        _show_differences(mart.mart, mart.differences)
    say(("source and warehouse agree", "green") if result.agrees else ("they differ", "red"))


def _cells(name: str, *counts: int) -> list[Text]:
    """The cells of a row; the last count is of what differs."""
    return [Text(cell, "red" if counts[-1] else "") for cell in (name, *map("{:,}".format, counts))]


def _show_differences(title: str, differences: tuple[Difference, ...]) -> None:
    for difference in differences:
        say((title, "bold"), f", {difference.key}: {difference.kind}")
        say(f"    source     {difference.source}")
        say(f"    warehouse  {difference.warehouse}")
