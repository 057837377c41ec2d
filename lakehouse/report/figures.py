"""The figures of the report, read from the `operations` models, the histories and the marts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ingestion.declarations import Declarations, Table
from ingestion.errors import TerminalError
from lakehouse.case_folding import compared_key
from lakehouse.health.acceptances import Finding, Findings, open_findings
from lakehouse.health.verdicts import Verdict, last_verdicts
from lakehouse.health.warehouse import Behind, Run, read_warehouse
from lakehouse.settings import CommandSettings
from lakehouse.source.tenants import row_key

RUNS = 40
"""Of the newest runs, how many are shown one by one."""
HOURS = 48
WEEKS = 4
DAYS = 60
MONTHS = 12
KEYS = 10
Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class TableFigure:
    """A declared table: how far it has come, and what became of its records."""

    name: str
    warn_after: int | None
    error_after: int | None
    """Seconds that its newest record may be old; None where a quiet table is no fault."""
    newest_at: datetime | None
    landed_at: datetime | None
    built_at: datetime | None
    records: int
    accepted: int
    tombstones: int
    rejected: int
    landed: int
    lost: int

    def late(self, now: datetime) -> str:
        """`red` past what is declared, `yellow` past the warning, else nothing."""
        if self.newest_at is None:
            return ""
        age = (now - self.newest_at).total_seconds()
        if self.error_after is not None and age > self.error_after:
            return "red"
        return "yellow" if self.warn_after is not None and age > self.warn_after else ""


@dataclass(frozen=True)
class NodeFigure:
    """The last that is known of a node that changed, failed or warned."""

    kind: str
    name: str
    status: str
    run: int
    at: datetime | None
    seconds: float
    rows: int


@dataclass(frozen=True)
class Figures:
    """All that the page shows; empty where there is nothing."""

    made_at: datetime
    target: str
    last_run: Run | None
    behind: tuple[Behind, ...]
    tables: tuple[TableFigure, ...]
    nodes: tuple[NodeFigure, ...]
    open: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...] = ()
    """The last of each comparison with the source."""
    tests: Rows = ()
    """Run or day, verdict, number of tests; the newest last."""
    hours: Rows = ()
    """Table, hour, records, and those of the same hours of the weeks before on average, or None."""
    versions: Rows = ()
    """Table, day, opened, deleted, closed, late, seconds of the latest."""
    busiest: Rows = ()
    """Table, key, versions: only of tables whose key is no personal data."""
    runs: Rows = ()
    """Run or day, kind of node, seconds, rows changed."""
    costs: Rows = ()
    """Node, seconds, rows changed, times, of the last seven days."""
    sizes: Rows = ()
    """Table, bytes."""
    business: dict[str, Rows] = field(default_factory=dict)

    @property
    def fresh_seconds(self) -> int:
        """The age at which a page is of no use: the shortest that is declared, else a day."""
        return min((t.warn_after for t in self.tables if t.warn_after is not None), default=86_400)


Query = Callable[[str], list[tuple[Any, ...]]]


def read_figures(settings: CommandSettings, declared: Declarations, now: datetime) -> Figures:
    """Read all of it.

    Raises:
        TransientError: the warehouse does not answer, or a build has the file open.
        TerminalError: there is no warehouse, or one without the models of this version.
    """
    warehouse = read_warehouse(settings, declared)
    with open_findings(settings, declared, write=False) as findings:
        query, prefix = findings.run, findings.prefix
        there = {name for [name] in query(_TABLES)}
        if f"{prefix}operations.node_results" not in there:
            raise TerminalError("nothing is built by this version yet: run `dbt build` first")
        own = f"{prefix}operations"
        return Figures(
            made_at=now,
            target=settings.environment or "local",
            last_run=warehouse.last_run,
            behind=warehouse.behind,
            tables=_tables(query, own, declared),
            nodes=_nodes(query, own),
            open=tuple(findings.open()),
            verdicts=tuple(last_verdicts(findings)),
            tests=_tests(query, own),
            hours=_hours(query, own, now),
            versions=query(_VERSIONS.format(own=own, since=_days_before(now, DAYS))),
            busiest=_busiest(findings, there),
            runs=_runs(query, own),
            costs=query(_COSTS.format(own=own)),
            sizes=[] if settings.environment else _sizes(query),
            business=_business(query, f"{prefix}marts", there, now),
        )


def _moment(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _days_before(now: datetime, days: int) -> date:
    return (now - timedelta(days=days)).date()


def _tables(query: Query, own: str, declared: Declarations) -> tuple[TableFigure, ...]:
    found = {name: row for name, *row in query(_FRESHNESS.format(own=own))}
    figures = []
    for table in declared.tables:
        if table.name not in found:
            continue
        warn, error, newest, landed_at, built_at, *counts = found[table.name]
        records, accepted, tombstones, rejected, landed, lost = (int(n or 0) for n in counts)
        figures.append(
            TableFigure(
                name=table.name,
                warn_after=warn,
                error_after=error,
                newest_at=_moment(newest),
                landed_at=_moment(landed_at),
                built_at=_moment(built_at),
                records=records,
                accepted=accepted,
                tombstones=tombstones,
                rejected=rejected,
                landed=landed,
                lost=lost,
            )
        )
    return tuple(figures)


def _nodes(query: Query, own: str) -> tuple[NodeFigure, ...]:
    return tuple(
        NodeFigure(kind, name, status, run, _moment(at), float(seconds), int(rows))
        for kind, name, status, run, at, seconds, rows in query(_NODES.format(own=own))
    )


def _tests(query: Query, own: str) -> Rows:
    rows = query(_BY_RUN.format(own=own, measures="status, sum(node_count)", kinds="= 'test'"))
    return _newest([(_label(*row[:3]), row[3], int(row[4])) for row in rows])


def _runs(query: Query, own: str) -> Rows:
    measures = (
        "resource_type, sum(seconds), sum(case when resource_type <> 'test' then row_count end)"
    )
    rows = query(_BY_RUN.format(own=own, measures=measures, kinds="is not null"))
    return _newest([(_label(*row[:3]), row[3], float(row[4]), int(row[5] or 0)) for row in rows])


def _label(is_day: bool, ran_on: date, run: int) -> str:
    return ran_on.isoformat() if is_day else f"run {run}"


def _newest(rows: list[tuple[Any, ...]]) -> Rows:
    """Those of the newest runs and days; rows come in their order."""
    kept = set(list(dict.fromkeys(row[0] for row in rows))[-RUNS:])
    return [row for row in rows if row[0] in kept]


def _hours(query: Query, own: str, now: datetime) -> Rows:
    """The last two days on which records came, with what is usual there."""
    first = now.replace(tzinfo=None) - timedelta(hours=HOURS)
    since = first - timedelta(weeks=WEEKS)
    rows = query(_HOURS.format(own=own, since=since, until=now.replace(tzinfo=None)))
    known = {(table, hour): int(count) for table, hour, count in rows}
    begun: dict[str, datetime] = defaultdict(lambda: datetime.max)
    for table, hour in known:
        begun[table] = min(begun[table], hour)
    shown = []
    for (table, hour), count in known.items():
        if hour < first:
            continue
        before = [hour - timedelta(weeks=week) for week in range(1, WEEKS + 1)]
        usual = [known.get((table, each), 0) for each in before if each >= begun[table]]
        shown.append((table, hour, count, sum(usual) / len(usual) if usual else None))
    return shown


def _busiest(findings: Findings, there: set[str]) -> Rows:
    rows: list[tuple[Any, ...]] = []
    for table in findings.declared.tables:
        history = f"{findings.prefix}history.{table.name}_history"
        if history not in there or _has_personal_key(table):
            continue
        names = row_key(findings.declared, compared_key(table))
        key = ", ".join(names)
        for *values, count in findings.run(
            f"select {key}, count(*) from {history} group by {key}"
            f" having count(*) > 1 order by count(*) desc, {key} limit 3"
        ):
            told = ", ".join(f"{n}={v}" for n, v in zip(names, values, strict=True))
            rows.append((table.name, told, int(count)))
    return sorted(rows, key=lambda row: -row[2])[:KEYS]


def _has_personal_key(table: Table) -> bool:
    return any(c.pii is not None for c in table.columns if c.name in table.primary_key)


def _sizes(query: Query) -> Rows:
    """DuckDB's blocks of each table, of 256 KB; a table smaller than that has none of its own."""
    tables = query(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_type = 'BASE TABLE' and table_schema in ('staging', 'history', 'marts')"
    )
    counted = " union all ".join(
        f"select '{name}', count(distinct block_id) * 262144"
        f" from pragma_storage_info('{name}') where persistent"
        for [name] in tables
    )
    return query(f"{counted} order by 2 desc") if counted else []


def _business(query: Query, marts: str, there: set[str], now: datetime) -> dict[str, Rows]:
    """The shop's own figures; none in a project without its marts."""
    month = now.year * 12 + now.month - 1
    months = [date(each // 12, each % 12 + 1, 1) for each in range(month - MONTHS + 1, month + 1)]
    # each first of a month, and now
    moments = {day: day.isoformat() for day in months[1:]}
    moments[now.date()] = now.replace(tzinfo=None).isoformat(" ", "seconds")
    asked = " union all ".join(
        f"select cast('{each}' as timestamp) as moment" for each in moments.values()
    )
    wanted = {
        "sales": ("agg_daily_sales", _SALES),
        "stores": ("agg_daily_sales", _STORES),
        "statuses": ("fct_orders", _STATUSES),
        "tiers": ("dim_customer", _TIERS),
        "stock": ("agg_daily_stock", _STOCK),
    }
    since = _days_before(now, DAYS)
    return {
        name: query(sql.format(marts=marts, since=since, moments=asked))
        for name, (mart, sql) in wanted.items()
        if f"{marts}.{mart}" in there
    }


_TABLES = "select table_schema || '.' || table_name from information_schema.tables"
# A producer may give any time; one that is no moment to Python would be the newest for ever.
_SANE = "between timestamp '1970-01-01' and timestamp '9999-12-31'"
_FRESHNESS = (
    "select table_name, warn_after_seconds, error_after_seconds,"
    f" case when newest_record_at {_SANE} then newest_record_at end,"
    " landed_at, built_at, record_count, accepted_count, tombstone_count, rejected_count,"
    " landed_count, lost_offset_count from {own}.table_freshness"
)
_NODES = """
select resource_type, node, status, run_number, finished_at, seconds, row_count
from (
    select
        results.*,
        row_number() over (partition by node order by run_number desc, seconds desc) as age
    from {own}.node_results as results
    where node <> '' and not is_day
) as newest
where age = 1
order by run_number desc, seconds desc, node
"""
_BY_RUN = (
    "select is_day, ran_on, run_number, {measures} from {own}.node_results where resource_type"
    " {kinds} group by 1, 2, 3, 4 order by ran_on, run_number, 4"
)
_HOURS = (
    "select table_name, recorded_hour, record_count from {own}.record_hours"
    " where recorded_hour >= timestamp '{since}' and recorded_hour <= timestamp '{until}'"
    " order by recorded_hour, table_name"
)
_VERSIONS = (
    "select table_name, version_date, opened_count, deleted_count, closed_count, late_count,"
    " most_late_seconds from {own}.version_days where version_date >= date '{since}'"
    " and version_date <= date '9999-12-30' order by version_date, table_name"
)
_COSTS = (
    "select node, sum(seconds), sum(row_count), sum(node_count) from {own}.node_results"
    " where node <> '' and not is_day and resource_type <> 'test'"
    " group by node order by 2 desc"
)
_SALES = (
    "select sales_date, currency_code, sum(net_amount), sum(order_count)"
    " from {marts}.agg_daily_sales where sales_date >= date '{since}' group by 1, 2 order by 1, 2"
)
_STORES = (
    "select coalesce(stores.store_name, 'none'), sales.currency_code, sum(sales.order_count),"
    " sum(sales.net_amount) from {marts}.agg_daily_sales as sales"
    " left join {marts}.dim_store as stores on sales.store_id = stores.store_id"
    " where sales.sales_date >= date '{since}' group by 1, 2 order by 2, 4 desc"
)
_STATUSES = (
    "select status, count(*) from {marts}.fct_orders where not is_deleted"
    " group by status order by 2 desc"
)
_TIERS = (
    "select cast(moments.moment as date), customers.tier, count(*)"
    " from ({moments}) as moments inner join {marts}.dim_customer as customers"
    " on customers.valid_from <= moments.moment and moments.moment < customers.valid_to"
    " where customers.member_kind = 'member' and not customers.is_deleted"
    " group by 1, 2 order by 1, 2"
)
_STOCK = (
    "select coalesce(stores.store_name, 'none'), sum(stock.closing_quantity), count(*),"
    " sum(case when stock.closing_quantity < 0 then 1 else 0 end)"
    " from {marts}.agg_daily_stock as stock"
    " left join {marts}.dim_store as stores on stock.store_id = stores.store_id"
    " where stock.until_date = date '9999-12-31' group by 1 order by 2 desc"
)
