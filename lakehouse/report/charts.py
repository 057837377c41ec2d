"""The pictures of the report: SVG with the page's colours, so light and dark are one picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert

from lakehouse.report.figures import Figures, Rows

WIDTH = 460
_INK, _FAINT = "var(--ink)", "var(--line)"
_SERIES = [f"var(--series-{number})" for number in range(1, 9)]
_VERDICTS = {
    "pass": "var(--good)",
    "warn": "var(--warn)",
    "fail": "var(--bad)",
    "error": "var(--bad)",
    "skipped": "var(--line)",
}
_TEXT = {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 12, "titleFontSize": 12}
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "sans-serif",
    # a reader's font may be wider than the one that the pictures are measured with
    "padding": {"left": 24, "right": 16, "top": 5, "bottom": 5},
    "axis": {
        **_TEXT,
        "gridColor": _FAINT,
        "domainColor": _FAINT,
        "tickColor": _FAINT,
        "titleFontWeight": "normal",
    },
    "legend": {**_TEXT, "orient": "top", "title": None, "columns": 3, "columnPadding": 30},
    "view": {"stroke": "transparent"},
    "range": {"category": _SERIES},
    "mark": {"color": _SERIES[0]},
}


def charts(figures: Figures) -> dict[str, str]:
    """Each picture by its name; empty where there is nothing to draw."""
    business = figures.business
    lag = [
        (table.name, stage, max(0.0, (until - since).total_seconds()))
        for table in figures.tables
        for stage, since, until in (
            ("record → landed", table.newest_at, table.landed_at),
            ("landed → built", table.landed_at, table.built_at),
        )
        if since and until
    ]
    versions = [
        (day, kind, int(count))
        for _, day, opened, deleted, closed, late, _ in figures.versions
        for kind, count in (
            ("opened", opened), ("of them deletes", deleted), ("closed", closed), ("late", late)
        )
    ]  # fmt: skip
    counted = Counter[str]()
    for table, _, count, _ in figures.hours:
        counted[table] += count
    shown = [table for table, _ in counted.most_common(5)]
    hours = [
        (f"{hour:%d %b %H:00}", table if table in shown else "others", count)
        for table, hour, count, _ in figures.hours
    ]
    return {
        "lag": _bars(lag, "seconds", order=["record → landed", "landed → built"]),
        "tests": _columns(figures.tests, "data tests", colours=_VERDICTS),
        "hours": _columns(hours, "records", order=shown),
        "versions": _columns(
            [(day.isoformat(), kind, count) for day, kind, count in versions],
            "versions",
            order=["opened", "of them deletes", "closed", "late"],
            stacked=False,
        ),
        "runs": _columns(
            [(run, kind, seconds) for run, kind, seconds, _ in figures.runs],
            "seconds",
        ),
        "sales": _lines([row[:3] for row in business.get("sales", [])]),
        "statuses": _bars(
            [(s, "orders", int(n)) for s, n in business.get("statuses", [])], "orders"
        ),
        "tiers": _columns(
            [
                (day.isoformat(), tier or "none", int(n))
                for day, tier, n in business.get("tiers", [])
            ],
            "customers",
            order=["bronze", "silver", "gold", "platinum"],
        ),
        "stock": _bars(
            [(store, "pieces", int(n)) for store, n, *_ in business.get("stock", [])], "pieces"
        ),
    }


def drawn_timeline(spans: Rows, orders: Rows) -> str:
    """Lines of spans (line, value, since, until), and a mark for each order below them."""
    values = [
        {"line": line, "kind": kind, "since": since.isoformat(), "until": until.isoformat(),
         "told": f"{line} {kind}: {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"}
        for line, kind, since, until in spans
    ]  # fmt: skip
    marks = [
        {"line": "orders", "at": at.isoformat(), "told": f"order {order}, {status}, {at:%Y-%m-%d}"}
        for at, order, status, *_ in orders
    ]
    lines = alt.Y("line:N", sort=["tier", "address", "orders"], title=None)
    kinds = list(dict.fromkeys(value["kind"] for value in values))
    scale = alt.Scale(domain=kinds, range=[_SERIES[n % len(_SERIES)] for n in range(len(kinds))])
    bars = (
        alt.Chart(alt.InlineData(values=values))
        .mark_bar()
        .encode(
            lines,
            alt.X(
                "since:T",
                title=None,
                axis=alt.Axis(format="%d %b %y", tickCount=5, labelOverlap=True),
            ),
            alt.X2("until:T"),
            alt.Color("kind:N", scale=scale),
            alt.Description("told:N"),
        )
    )
    ticks = (
        alt.Chart(alt.InlineData(values=marks))
        .mark_point(filled=True, size=60, color=_INK)
        .encode(lines, alt.X("at:T"), alt.Description("told:N"))
    )
    return _svg(bars + ticks if marks else bars, height=130, width=760)


def _data(rows: Rows) -> alt.InlineData:
    """A value for each pair of `x` and `kind`, and how it is read aloud."""
    added: dict[tuple[Any, Any], float] = {}
    for x, kind, value in rows:
        added[x, kind] = added.get((x, kind), 0.0) + float(value)
    return alt.InlineData(
        values=[
            {"x": x, "kind": kind, "value": value, "told": f"{x}, {kind}: {value:,.6g}"}
            for (x, kind), value in added.items()
        ]
    )


def _colour(rows: Rows, order: Sequence[str], colours: dict[str, str] | None) -> alt.Color:
    kinds = list(dict.fromkeys(row[1] for row in rows))
    kinds.sort(key=lambda kind: order.index(kind) if kind in order else len(order))
    colours = colours or {kind: _SERIES[n % len(_SERIES)] for n, kind in enumerate(kinds)}
    scale = alt.Scale(domain=kinds, range=[colours.get(kind, _INK) for kind in kinds])
    legend: Any = alt.Undefined if len(kinds) > 1 else None
    return alt.Color("kind:N", scale=scale, legend=legend)


def _columns(
    rows: Rows,
    title: str,
    *,
    order: Sequence[str] = (),
    colours: dict[str, str] | None = None,
    stacked: bool = True,
) -> str:
    """Columns along the rows' order, `stacked` or beside each other."""
    if not rows:
        return ""
    labels = list(dict.fromkeys(row[0] for row in rows))
    every = max(1, len(labels) // 6)
    shown = alt.Axis(values=labels[::every], labelAngle=-30 if len(labels) > 3 else 0, title=None)
    encodings: list[Any] = [
        alt.Description("told:N"),
        alt.X("x:O", sort=labels, axis=shown, scale=alt.Scale(paddingInner=0.15)),
        alt.Y("value:Q", title=title, axis=alt.Axis(format="~s", tickCount=4)),
        _colour(rows, order, colours),
    ]
    if not stacked:
        encodings.append(alt.XOffset("kind:N", sort=list(order)))
    wide = min(WIDTH, 60 + 80 * len(labels))
    return _svg(alt.Chart(_data(rows)).mark_bar().encode(*encodings), height=180, width=wide)


def _bars(rows: Rows, title: str, order: Sequence[str] = ()) -> str:
    """Bars with their names at the left, in the rows' order."""
    if not rows:
        return ""
    names = list(dict.fromkeys(row[0] for row in rows))
    chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(
            alt.Description("told:N"),
            alt.Y("x:N", sort=names, title=None),
            alt.X("value:Q", title=title, axis=alt.Axis(format="~s", tickCount=4)),
            _colour(rows, order, None),
            alt.Order("kind:N", sort="descending"),
        )
    )
    return _svg(chart, height=22 * len(names) + 10)


def _lines(rows: Rows) -> str:
    """A line for each currency by day, on an axis of its own: currencies are never added."""
    if not rows:
        return ""
    biggest: dict[str, float] = {}
    for _, currency, amount in rows:
        biggest[currency] = biggest.get(currency, 0.0) + float(amount)
    shown = sorted(biggest, key=lambda each: -biggest[each])[:4]
    points = [(day.isoformat(), c, amount) for day, c, amount in rows if c in shown]
    chart = (
        alt.Chart(_data(points))
        .mark_line(interpolate="monotone")
        .encode(
            alt.X("x:T", title=None, axis=alt.Axis(format="%d %b", tickCount=5)),
            alt.Y("value:Q", title=None, axis=alt.Axis(format="~s", tickCount=3)),
            _colour(points, shown, None),
            alt.Row(
                "kind:N",
                sort=shown,
                title=None,
                header=alt.Header(
                    labelColor=_INK,
                    labelFontSize=12,
                    labelOrient="top",
                    labelAnchor="start",
                    labelPadding=2,
                ),
            ),
        )
        .resolve_scale(y="independent")
    )
    return _svg(chart, height=max(60, 200 // len(shown)))


def _svg(chart: alt.Chart | alt.LayerChart, height: int, width: int = WIDTH) -> str:
    specification = chart.properties(width=width - 60, height=height).to_dict()
    specification["config"] = _CONFIG
    version = "_".join(alt.SCHEMA_VERSION.split(".")[:2])
    drawn = vl_convert.vegalite_to_svg(specification, vl_version=version)
    # narrower where there is less room
    size = r'width="([\d.]+)" height="[\d.]+"'
    return re.sub(size, r'style="max-width: \1px"', drawn, count=1)
