"""The report as a page: what is shown of the figures, and in which words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from lakehouse.console import TITLE
from lakehouse.report.alerts import alerts
from lakehouse.report.charts import charts
from lakehouse.report.figures import Figures, Rows

_HERE = Path(__file__).parent


def page(figures: Figures, *, has_docs: bool) -> str:
    """The page; `has_docs`: the site of `lakehouse docs` is beside it."""
    return rendered(
        "page.html.j2",
        title=TITLE,
        figures=figures,
        has_docs=has_docs,
        alerts=alerts(figures),
        charts=charts(figures),
        lag_rows=[
            (t.name, _moment(t.newest_at), _moment(t.landed_at), _moment(t.built_at))
            for t in figures.tables
        ],
        node_rows=[
            (n.name, n.status, n.run, f"{n.seconds:,.2f}", f"{n.rows:,}") for n in figures.nodes
        ],
        trust_rows=[
            (
                t.name,
                *(
                    f"{count:,}"
                    for count in (
                        t.landed,
                        t.records,
                        t.accepted,
                        t.tombstones,
                        t.rejected,
                        t.lost,
                    )
                ),
            )
            for t in figures.tables
        ],
        verdict_rows=[
            (v.compared, _moment(v.at), f"{v.differing:,}" if v.differing else "agree")
            for v in figures.verdicts
        ],
        open_rows=[(f.kind, f.table, _which(f.kind, f.name, f.what)) for f in figures.open[:200]],
        hour_rows=[
            (f"{hour:%Y-%m-%d %H:00}", table, f"{count:,}", _usual(usual))
            for table, hour, count, usual in figures.hours
        ],
        volume_rows=list(_volumes(figures.hours)),
        version_rows=[
            (table, day, *(f"{int(count):,}" for count in counts), _seconds(late) if late else "-")
            for table, day, *counts, late in figures.versions
        ],
        store_rows=[
            (store, currency, f"{int(orders):,}", f"{net:,.2f}")
            for store, currency, orders, net in figures.business.get("stores", [])
        ],
        run_rows=[
            (run, kind, f"{seconds:,.1f}", f"{rows:,}") for run, kind, seconds, rows in figures.runs
        ],
        cost_rows=[
            (node, f"{seconds:,.1f}", f"{int(rows):,}", f"{int(times):,}")
            for node, seconds, rows, times in figures.costs
        ],
        size_rows=[(table, _bytes(size)) for table, size in figures.sizes if size],
    )


def rendered(name: str, **values: Any) -> str:
    """A template of this folder with `values`; a missing one is an error, texts are escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.globals["style"] = (_HERE / "style.css").read_text("utf-8")
    environment.filters |= {"moment": _moment, "seconds": _seconds, "money": _money}
    return environment.from_string((_HERE / name).read_text("utf-8")).render(values)


def _which(kind: str, name: str, what: str) -> str:
    """A break's name is a hash, its coordinates tell more; its row's key may be personal."""
    return what if kind == "break" else f"{name}: {what}"


def _volumes(hours: Rows) -> Iterable[tuple[str, ...]]:
    counted: dict[str, int] = defaultdict(int)
    expected: dict[str, float | None] = {}
    for table, _, count, usual in hours:
        counted[table] += count
        before = expected.get(table, 0.0)
        expected[table] = None if usual is None or before is None else before + usual
    for table, count in sorted(counted.items(), key=lambda each: -each[1]):
        usual = expected[table]
        share = f"{100 * count / usual:,.0f} %" if usual else "-"
        yield table, f"{count:,}", _usual(usual), share


def _usual(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"


def _money(rows: Rows) -> Rows:
    return [(day, currency, f"{net:,.2f}", int(orders)) for day, currency, net, orders in rows]


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _seconds(seconds: float) -> str:
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 86_400:,.0f} days"


def _bytes(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:,.0f} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"
