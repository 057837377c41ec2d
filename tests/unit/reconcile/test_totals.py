"""Money totals are compared group by group, value for value."""

from __future__ import annotations

from decimal import Decimal

from lakehouse.reconcile.findings import NOTHING
from lakehouse.reconcile.source import MEASURES
from lakehouse.reconcile.totals import compare_totals

DAY = ("2026-03-01", 1, "EUR")
NEXT = ("2026-03-02", 1, "EUR")


def totals(**measures: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(measures.get(name, "0")) for name in MEASURES)


def test_equal_totals_agree_whatever_their_scale() -> None:
    report = compare_totals({DAY: totals(net_amount="12.5")}, {DAY: totals(net_amount="12.50")})

    assert report.agrees
    assert (report.source_groups, report.warehouse_groups) == (1, 1)


def test_a_cent_is_a_difference_and_only_what_differs_is_shown() -> None:
    report = compare_totals(
        {DAY: totals(net_amount="12.50", order_count="1")},
        {DAY: totals(net_amount="12.51", order_count="1")},
    )
    (difference,) = report.differences

    assert difference.key == "sales_date=2026-03-01, store_id=1, currency_code=EUR"
    assert (difference.kind, difference.source, difference.warehouse) == (
        "total differs",
        "net_amount=12.50",
        "net_amount=12.51",
    )


def test_groups_on_one_side_only_are_differences() -> None:
    report = compare_totals({DAY: totals()}, {NEXT: totals()})

    assert [(found.kind, found.source == NOTHING) for found in report.differences] == [
        ("total missing", False),
        ("total extra", True),
    ]
    assert report.differing_groups == 2
