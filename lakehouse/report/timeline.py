"""One customer through time: tier, address, orders. Personal data, so it has a page of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ingestion.declarations import Declarations
from ingestion.errors import TerminalError, UsageError
from lakehouse.console import TITLE
from lakehouse.health.acceptances import open_findings
from lakehouse.report.charts import drawn_timeline
from lakehouse.report.page import rendered
from lakehouse.settings import CommandSettings


def timeline(
    settings: CommandSettings, declared: Declarations, key: dict[str, str], now: datetime
) -> str:
    """The page of the customer with this key.

    Raises:
        UsageError: the key is no customer's.
        TerminalError: there is no such customer, or no warehouse.
    """
    number = key.get("customer_id", "")
    if len(key) != 1 or not number.isdecimal():
        raise UsageError("--key: only customers have a timeline, customer_id=<number>")
    with open_findings(settings, declared, write=False) as findings:
        marts = f"{findings.prefix}marts"
        versions = findings.run(_VERSIONS.format(marts=marts, key=number))
        orders = findings.run(_ORDERS.format(marts=marts, key=number))
    if not versions:
        raise TerminalError(f"no version of customer {number} is in {marts}.dim_customer")
    end = now.astimezone(UTC).replace(tzinfo=None)
    # the first version is valid from the beginning of time: the picture begins with what is known
    known = [row[0] for row in [*versions[1:], *orders]] + [versions[0][2]]
    begin = min((moment for moment in known if moment is not None), default=end)
    spans: list[tuple[Any, ...]] = []
    for valid_from, valid_to, _, tier, city, country in versions:
        span = max(valid_from, begin), min(valid_to, end)
        spans += [("tier", tier or "-", *span)]
        spans += [("address", f"{city or '-'}, {country or '-'}", *span)]
    return rendered(
        "timeline.html.j2",
        title=f"{TITLE}: customer {number}",
        made_at=now,
        picture=drawn_timeline(spans, orders),
        versions=versions,
        orders=orders,
    )


# In the shop's order of time; what is not there yet or was deleted has no version.
_VERSIONS = (
    "select valid_from, valid_to, signed_up_at, tier, city, country_code"
    " from {marts}.dim_customer where customer_id = {key} and not is_deleted order by valid_from"
)
_ORDERS = (
    "select placed_at, order_id, status, net_amount, currency_code"
    " from {marts}.fct_orders where customer_id = {key} and not is_deleted"
    " and placed_at is not null order by placed_at, order_id"
)
