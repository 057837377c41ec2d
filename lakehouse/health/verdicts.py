"""What `lakehouse reconcile` found last, kept in operations.reconciliations for who asks later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ingestion.declarations import Declarations
from ingestion.errors import LakehouseError
from lakehouse.console import note
from lakehouse.health.acceptances import Findings, open_findings
from lakehouse.settings import CommandSettings


@dataclass(frozen=True)
class Verdict:
    """The last of a comparison: `compared` is its command, and the tenant or tables it was of."""

    compared: str
    differing: int
    at: datetime


def keep_verdict(
    settings: CommandSettings, declared: Declarations, compared: str, differing: int
) -> None:
    """Keep that `differing` rows were found; where that cannot be, a note says so."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "seconds")
    literal = compared[:250].replace("'", "''")
    try:
        with open_findings(settings, declared, write=True) as findings:
            if not _is_there(findings):
                note("the verdict is not kept: no build of this version has run yet")
                return
            findings.run(
                f"insert into {findings.prefix}operations.reconciliations"
                " (compared, differing_count, reconciled_at)"
                f" values ('{literal}', {differing},"
                f" cast('{now}' as timestamp))"
            )
    except LakehouseError as error:
        note(f"the verdict is not kept: {error}")


def last_verdicts(findings: Findings) -> list[Verdict]:
    """The newest of each comparison."""
    if not _is_there(findings):
        return []
    rows = findings.run(
        "select compared, differing_count, reconciled_at from"
        f" {findings.prefix}operations.reconciliations order by reconciled_at"
    )
    newest = {
        compared: Verdict(compared, int(differing), at.replace(tzinfo=UTC))
        for compared, differing, at in rows
    }
    return list(newest.values())


def _is_there(findings: Findings) -> bool:
    [(count,)] = findings.run(
        "select count(*) from information_schema.tables where table_name = 'reconciliations'"
        f" and table_schema = '{findings.prefix}operations'"
    )
    return bool(count)
