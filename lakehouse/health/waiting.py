"""Waiting for the pipeline, which runs beside: nothing is asked for before it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ingestion.declarations import Declarations
from ingestion.errors import RefusedError, TerminalError, TransientError
from ingestion.kafka.brokers import Brokers
from ingestion.landing.ledger import Ledger
from ingestion.landing.subscriptions import subscriptions
from lakehouse.health.landing_zone import open_zone
from lakehouse.health.status import table_statuses
from lakehouse.health.warehouse import Warehouse, read_warehouse
from lakehouse.settings import CommandSettings

_LOOK_EVERY_SECONDS = 2.0
_HERE = "Run `lakehouse land --once` and `dbt build`"
# There are jobs and a schedule for both.
_THERE = "Look under landing-lag and stale-marts of docs/runbooks/operations.md what holds it"


@dataclass(frozen=True)
class Patience:
    """How long may be waited in all, and who is told for what."""

    until: float
    """By the clock `time.monotonic`."""
    tell: Callable[[str], None] = lambda _: None

    def wait(self, settings: CommandSettings, behind: Callable[[], str]) -> None:
        """Return when `behind` names nothing any more; what does not answer right now is behind.

        Raises:
            RefusedError: it still names something when the time is over.
        """
        asked = time.monotonic()
        while said := _answered(behind):
            if (now := time.monotonic()) >= self.until:
                advice = _THERE if settings.environment else _HERE
                raise RefusedError(
                    f"the warehouse has not caught up: {said}. {advice}, then the same again"
                )
            self.tell(f"waiting for {said}")
            # a large warehouse is not asked all the time
            time.sleep(max(_LOOK_EVERY_SECONDS, now - asked))
            asked = time.monotonic()


AT_ONCE = Patience(0)


def _answered(behind: Callable[[], str]) -> str:
    try:
        return behind()
    except TransientError as error:
        return str(error)


def await_built(
    settings: CommandSettings,
    declared: Declarations,
    tables: Iterable[str],
    patience: Patience = AT_ONCE,
    landed_too: Iterable[str] = (),
) -> None:
    """Return when what Kafka holds of `tables` at the call is landed, and that is built.

    The shop may go on: what comes later is not waited for. What has no log, such as Debezium's own
    topics, can only be landed: `landed_too` names such.

    Raises:
        RefusedError: it is not, though `patience` has ended.
    """
    only = replace(declared, tables=declared.select(list(tables)))
    wanted = subscriptions(declared, settings.source, [table.name for table in only.tables])
    own = subscriptions(declared, settings.source, list(landed_too)) if landed_too else ()
    topics = Brokers(settings).topics({each.topic for each in (*wanted, *own)})
    ledger = Ledger(open_zone(settings))

    def not_landed() -> str:
        ledger.refresh()
        statuses = table_statuses((*wanted, *own), ledger.progress, topics, {})
        return ", ".join(
            f"{status.table} ({status.problem or f'not landed {status.not_landed}'})"
            for status in statuses
            if status.problem or status.not_landed != 0
        )

    patience.wait(settings, not_landed)
    landed = ledger.progress

    def not_built() -> str:
        warehouse = _readable(settings, only)
        statuses = table_statuses(wanted, landed, topics, warehouse.logs)
        said = ", ".join(
            f"{status.table} (not built {status.not_built})"
            for status in statuses
            if status.not_built != 0
        )
        return f"{said}: {warehouse.problem}" if said and warehouse.problem else said

    patience.wait(settings, not_built)


def await_marts(
    settings: CommandSettings, declared: Declarations, patience: Patience = AT_ONCE
) -> None:
    """Return when the newest build has ended well and every mart that is there is up to date.

    So what the logs hold at the call has come further.

    Raises:
        RefusedError: it has not, though `patience` has ended.
        TerminalError: this user may not see it.
    """

    def not_read() -> str:
        found = _readable(settings, declared)
        if found.last_run is None:
            return found.problem or "nothing was built yet"
        run = f"run {found.last_run.number}"
        if found.last_run.status != "succeeded":
            return f"{run} ({found.last_run.status})"
        if not found.marts:
            return f"the marts (none is built in {run})"
        # a table's schema may have an engineer's prefix
        late = [each for each in found.behind if "marts." in each.consumer]
        return ", ".join(f"{each.consumer} (built in run {each.run}, not {run})" for each in late)

    patience.wait(settings, not_read)


def _readable(settings: CommandSettings, declared: Declarations) -> Warehouse:
    found = read_warehouse(settings, declared)
    if found.refuses:
        raise TerminalError(
            f"{found.problem}, and waiting does not help: ask as its administrator or as dbt's "
            'user (docs/redshift.md, "Who is who")'
        )
    return found
