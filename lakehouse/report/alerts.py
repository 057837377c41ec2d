"""What is wrong, and what to type: the head of the report, and what `lakehouse notify` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lakehouse.report.figures import Figures

Level = Literal["red", "yellow"]


@dataclass(frozen=True)
class Alert:
    """Something to look at. `name` stays the same as long as it is the same fault."""

    level: Level
    name: str
    what: str
    command: str


def alerts(figures: Figures) -> list[Alert]:
    """All that asks for a person now; the worst first."""
    found = [*_of_runs(figures), *_of_tables(figures), *_of_findings(figures)]
    return sorted(found, key=lambda alert: (alert.level != "red", alert.name))


def _of_runs(figures: Figures) -> Iterator[Alert]:
    run = figures.last_run
    if run is None:
        yield Alert("yellow", "run", "nothing was built yet", "dbt build")
    elif run.status in ("failed", "abandoned"):
        yield Alert("red", "run", f"run {run.number} {run.status}", "dbt build")
    for node in figures.nodes:
        if node.status in ("fail", "error"):
            what = f"{node.name} failed in run {node.run}"
            what += f": {node.rows:,} rows" if node.status == "fail" else ""
            again = "test" if node.kind == "test" else "build"
            yield Alert("red", f"node {node.name}", what, f"dbt {again} --select {node.name}")
        elif node.status == "warn":
            what = f"{node.name} warned in run {node.run}: {node.rows:,} rows"
            again = f"dbt test --select {node.name}"
            yield Alert("yellow", f"node {node.name}", what, again)
    if figures.behind:
        names = ", ".join(each.consumer for each in figures.behind[:3])
        more = f" and {len(figures.behind) - 3} more" if figures.behind[3:] else ""
        what = f"not built in the newest run: {names}{more}"
        yield Alert("yellow", "behind", what, "dbt build")


def _of_tables(figures: Figures) -> Iterator[Alert]:
    for table in figures.tables:
        level = table.late(figures.made_at)
        if level and table.newest_at:
            what = f"{table.name}: the newest record is of {table.newest_at:%Y-%m-%d %H:%M} UTC"
            late: Level = "red" if level == "red" else "yellow"
            yield Alert(late, f"late {table.name}", what, "lakehouse status")


def _of_findings(figures: Figures) -> Iterator[Alert]:
    says: dict[str, tuple[Level, str]] = {
        "break": ("red", "breaks in the chain of before-images: changes lost or misplaced"),
        "record": ("yellow", "records in quarantine, or dated ahead"),
        "drift": ("yellow", "differences between the source's columns and the declared ones"),
    }
    for verdict in figures.verdicts:
        if verdict.differing:
            what = (
                f"{verdict.compared}: {verdict.differing:,} rows of source and warehouse differed"
            )
            yield Alert("red", verdict.compared, what, f"lakehouse {verdict.compared}")
    for (kind, table), count in Counter((f.kind, f.table) for f in figures.open).items():
        level, what = says[kind]
        command = "lakehouse accept list"
        yield Alert(level, f"{kind} {table}", f"{table}: {count:,} {what}", command)
