"""The comparison of the money totals of each sales day, store and currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from lakehouse.reconcile.findings import NOTHING, Difference, TotalsReport
from lakehouse.reconcile.scope import SHOWN
from lakehouse.reconcile.source import MEASURES, Group

if TYPE_CHECKING:
    import duckdb

Totals = Mapping[Group, tuple[Decimal, ...]]


def warehouse_totals(connection: duckdb.DuckDBPyConnection) -> dict[Group, tuple[Decimal, ...]]:
    """What marts.agg_daily_sales holds, in the order of MEASURES."""
    rows = connection.execute(
        "select cast(sales_date as varchar), store_id, currency_code, "
        f"{', '.join(MEASURES)} from marts.agg_daily_sales"
    ).fetchall()
    return {
        (day, store_id, currency): tuple(Decimal(value) for value in values)
        for day, store_id, currency, *values in rows
    }


def compare_totals(source: Totals, warehouse: Totals) -> TotalsReport:
    """Compare the groups of both sides, value for value."""
    differences = []
    for group in sorted({*source, *warehouse}):
        ours, theirs = source.get(group), warehouse.get(group)
        if ours != theirs:
            differences.append(_explain(group, ours, theirs))
    return TotalsReport(
        source_groups=len(source),
        warehouse_groups=len(warehouse),
        differing_groups=len(differences),
        differences=tuple(differences[:SHOWN]),
    )


def _explain(
    group: Group, ours: tuple[Decimal, ...] | None, theirs: tuple[Decimal, ...] | None
) -> Difference:
    day, store_id, currency = group
    key = f"sales_date={day}, store_id={store_id}, currency_code={currency}"
    if ours is None:
        return Difference(key, "total extra", NOTHING, _values(theirs or ()))
    if theirs is None:
        return Difference(key, "total missing", _values(ours), NOTHING)
    differ = [left != right for left, right in zip(ours, theirs, strict=True)]
    return Difference(key, "total differs", _values(ours, differ), _values(theirs, differ))


def _values(values: tuple[Decimal, ...], shown: Sequence[bool] = (True,) * len(MEASURES)) -> str:
    pairs = zip(MEASURES, values, shown, strict=True)
    return ", ".join(f"{name}={value}" for name, value, show in pairs if show)
