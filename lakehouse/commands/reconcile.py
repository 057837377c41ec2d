"""`lakehouse reconcile`: the warehouse against what the shop's audit says, or a snapshot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ingestion.declarations import load
from ingestion.errors import RefusedError, TerminalError
from lakehouse.console import AsJson, Exit, console, note, say, show_json, show_table
from lakehouse.settings import CommandSettings

if TYPE_CHECKING:
    from ingestion.kafka.produce import Record
    from lakehouse.reconcile.findings import Difference, LostDelete, Reconciliation


app = typer.Typer()


@app.callback(invoke_without_command=True)
def reconcile(
    context: typer.Context,
    salt: Annotated[
        str,
        typer.Option(
            help="Salt of the columns with pii: hash, by default LAKEHOUSE_PII_SALT; without it "
            "they are not compared.",
        ),
    ] = "",
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Write the deletes that no event told of to Kafka: rows that the warehouse has "
            "and the source has no longer.",
        ),
    ] = False,
    at_most: Annotated[
        int, typer.Option(min=1, help="With --repair: more deletes than this stop it.")
    ] = 1_000,
    as_json: AsJson = False,
) -> None:
    """Compare the warehouse with the audit in the source: every version, every row of every mart.

    Exit code 3 if anything differs. Let the pipeline catch up before: what is not yet landed and
    built is a difference.
    """
    from lakehouse.reconcile.run import reconcile as compare

    if context.invoked_subcommand:
        return
    settings = CommandSettings.from_environment()
    if not settings.source_dsn:
        raise TerminalError(
            "which source? Set LAKEHOUSE_SOURCE_DSN to the shop's PostgreSQL database"
        )
    with console(stderr=True).status(Text("reconciling")) as status:
        result = compare(
            load(),
            dsn=settings.source_dsn,
            warehouse=settings.duckdb,
            salt=salt or settings.pii_salt,
            on_table=lambda name: status.update(Text(f"reconciling {name}")),
        )
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
        _repair(result, at_most, settings)
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
    at_most: Annotated[
        int, typer.Option(min=1, help="With --repair: more deletes than this stop it.")
    ] = 1_000,
    as_json: AsJson = False,
) -> None:
    """Find rows that live in the log and that a complete snapshot of the table did not read.

    Their deletes left no event: a restored backup, a gap in the capture. The log alone is asked,
    not the source. --repair writes deletes at the snapshot's place, which history leaves out where
    something speaks against them. Exit code 3 if there are any, 4 if the snapshot proves nothing.
    """
    from ingestion.landing.ledger import entries
    from ingestion.landing.storage import open_storage
    from lakehouse.reconcile.absences import find_absences, open_log
    from lakehouse.reconcile.repair import absence_records
    from lakehouse.source.connectors import render

    settings, declared = CommandSettings.from_environment(), load()
    own = render(
        declared,
        settings.source,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auth=settings.kafka_auth,
    )
    ledger = entries(open_storage(settings.landing))
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
        _require_few(absent, at_most, f"{scan.snapshot} a snapshot of the right database")
        _require_caught_up(settings, [table])
        read_at = scan.read_at.replace(tzinfo=UTC)
        now = datetime.now(UTC)
        _write(settings, absence_records(declared, settings.source, absent, read_at, now), absent)
    if absent:
        raise typer.Exit(Exit.ATTENTION)


def _repair(result: Reconciliation, at_most: int, settings: CommandSettings) -> None:
    """Write the lost deletes to the topics of their tables.

    Raises:
        RefusedError: the pipeline has not caught up, or there are more than `at_most`.
    """
    from lakehouse.reconcile.repair import delete_records

    lost = result.lost_deletes
    if not lost:
        note("nothing to repair: the source has every current row of the warehouse")
        return
    _require_few(lost, at_most, "LAKEHOUSE_SOURCE_DSN the database that the connector reads")
    _require_caught_up(settings, dict.fromkeys(delete.table.name for delete in lost))
    _write(settings, delete_records(load(), settings.source, lost, datetime.now(UTC)), lost)


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
    from ingestion.kafka.produce import produce

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


def _require_caught_up(settings: CommandSettings, tables: Iterable[str]) -> None:
    """A delete that is only on its way must not be written a second time, with a false date."""
    from ingestion.kafka.brokers import Brokers
    from ingestion.landing.ledger import Ledger
    from ingestion.landing.storage import open_storage
    from ingestion.landing.subscriptions import subscriptions
    from lakehouse.health.status import table_statuses
    from lakehouse.health.warehouse import read_warehouse

    declared = load()
    wanted = subscriptions(declared, settings.source, list(tables))
    behind = [
        f"{status.table} (not landed {status.not_landed}, not built {status.not_built})"
        for status in table_statuses(
            wanted,
            Ledger(open_storage(settings.landing)).progress,
            Brokers(settings).topics({subscription.topic for subscription in wanted}),
            read_warehouse(settings, declared).logs,
        )
        if status.problem or status.not_landed != 0 or status.not_built != 0
    ]
    if behind:
        raise RefusedError(
            f"the warehouse has not caught up: {', '.join(behind)}. Run `lakehouse land --once` "
            "and `dbt build`, then reconcile again"
        )


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
    say("Rows of the marts: source and warehouse")
    show_table(
        ("mart", "source", "warehouse", "differ"),
        [
            _cells(mart.mart, mart.source_rows, mart.warehouse_rows, mart.differing_rows)
            for mart in result.marts
        ],
        names=1,
    )
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
