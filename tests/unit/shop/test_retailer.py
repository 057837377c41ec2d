"""The demo's shop is one that a retailer believes: held against a real grocer's households."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from random import Random
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from playground.shop.books import Books
from playground.shop.opening import Scale, open_shop
from playground.shop.retailer import CURRENCIES, STORES, Retailer
from playground.shop.statements import Row, Value
from tests.kit import complete_journey

Baskets = duckdb.DuckDBPyConnection
"""Database with the table lines: basket, household, placed (local time), amount (net)."""

MEASURES = {
    "lines of a basket": "select count(*) as figure from lines group by basket",
    "amount of a line": "select amount as figure from lines",
    "share of a weekday": """
        select count(distinct basket) / (select count(distinct basket) from lines) as figure
        from lines group by isodow(placed)""",
    "days between visits": """
        select visited - lag(visited) over (partition by household order by visited) as figure
        from (select distinct household, placed::date as visited from lines
            where household is not null)
        qualify figure is not null""",
}
ALLOWED = 0.3


@pytest.fixture(scope="module")
def shop() -> dict[str, list[Row]]:
    """The rows with which the demo's shop opens."""
    books = Books(Retailer(), Random(7), lambda _query, _values: [], datetime(2026, 3, 1, 8))
    rows: dict[str, list[Row]] = defaultdict(list)
    for inserts in open_shop(books, Scale()):
        for insert in inserts:
            rows[insert.table].extend(insert.rows)
    return rows


@pytest.fixture(scope="module")
def ours(shop: dict[str, list[Row]]) -> Baskets:
    zones = [ZoneInfo(front.time_zone) for front in STORES]
    orders = {row["order_id"]: row for row in shop["orders"]}
    found = []
    for line in shop["order_items"]:
        order = orders[line["order_id"]]
        placed = datetime.fromisoformat(str(order["placed_at"])).replace(tzinfo=UTC)
        local = placed.astimezone(zones[int(order["store_id"] or 0) - 1]).replace(tzinfo=None)
        gross = int(line["quantity"] or 0) * float(str(line["unit_price"]))
        found.append(
            {
                "basket": order["order_id"],
                "household": order["customer_id"],
                "placed": local,
                "amount": gross - float(str(line["discount_amount"])),
            }
        )
    database = duckdb.connect()
    database.register("lines", pa.Table.from_pylist(found))
    return database


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Baskets:
    transactions = complete_journey.table(tmp_path_factory.mktemp("journey"), "transactions")
    database = duckdb.connect()
    database.register("transactions", transactions)
    database.execute(
        """create table lines as
        select basket_id as basket, household_id as household, sales_value as amount,
            min(transaction_timestamp) over (partition by basket_id) as placed
        from transactions"""
    )
    return database


@pytest.mark.parametrize("measure", MEASURES)
def test_percentiles_are_a_real_shops(measure: str, ours: Baskets, theirs: Baskets) -> None:
    def percentiles(baskets: Baskets) -> list[float]:
        query = f"select quantile_cont(figure::double, [0.1, 0.5, 0.9]) from ({MEASURES[measure]})"
        [(found,)] = baskets.execute(query).fetchall()
        return [float(value) for value in found]

    for mine, real in zip(percentiles(ours), percentiles(theirs), strict=True):
        assert mine == pytest.approx(real, rel=ALLOWED), (
            f"{percentiles(ours)}, {percentiles(theirs)}"
        )


def test_money_stays_within_its_country(shop: dict[str, list[Row]]) -> None:
    """So that each line has a margin: its cost is in the order's currency."""
    products = {row["product_id"]: row for row in shop["products"]}
    orders = {row["order_id"]: row for row in shop["orders"]}
    for line in shop["order_items"]:
        product = products[line["product_id"]]
        assert product["currency_code"] == orders[line["order_id"]]["currency_code"]
        assert 0 < float(str(product["unit_cost"])) < float(str(product["unit_price"]))


def test_no_store_sells_what_it_never_received(shop: dict[str, list[Row]]) -> None:
    stock: Counter[tuple[Value, Value]] = Counter()
    for moved in sorted(shop["inventory_movements"], key=lambda row: str(row["moved_at"])):
        shelf = moved["store_id"], moved["product_id"]
        stock[shelf] += int(moved["quantity"] or 0)
        assert stock[shelf] >= 0, moved


@pytest.mark.parametrize(
    ("condition", "low", "high"),
    [
        ({"status": "returned"}, 0.002, 0.03),
        ({"status": "cancelled"}, 0.005, 0.05),
        ({"customer_id": None}, 0.05, 0.2),
        ({"promotion_code": None}, 0.8, 0.95),
    ],
)
def test_what_is_rare_in_a_shop_is_rare(
    shop: dict[str, list[Row]], condition: Row, low: float, high: float
) -> None:
    found = [row for row in shop["orders"] if condition.items() <= row.items()]
    assert low < len(found) / len(shop["orders"]) < high


def test_each_country_has_its_stores_customers_and_shelves(shop: dict[str, list[Row]]) -> None:
    countries = {row["country_code"] for row in shop["stores"]}
    assert countries == {row["country_code"] for row in shop["customer_addresses"]}
    assert {CURRENCIES[str(country)] for country in countries} == {
        row["currency_code"] for row in shop["products"]
    }
    assert 3 <= len(shop["stores"]) <= 10
