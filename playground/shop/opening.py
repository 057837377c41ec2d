"""The shop as it is before anybody watches: its customers, products and orders so far, in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from playground.shop import rows
from playground.shop.books import Books, Pool, stamp
from playground.shop.market import Key, Store
from playground.shop.statements import Insert, Row, Value

_LONGEST_STEP = timedelta(days=3)
"""The most time from one step of an order to the next: paid, shipped, delivered, returned."""
_SETTLED = timedelta(days=10)
"""The age from which no order is under way any more."""
_DUPLICATES = 0.02
"""Share of accounts whose owner had one already."""
_CHUNK = 1000


@dataclass(frozen=True)
class Scale:
    """How large the shop is when it opens; its database then has about a dozen rows per order.

    What `categories` is for a market that has its own, it does not read.
    """

    customers: int = 600
    orders: int = 5_000
    products: int = 1_000
    categories: int = 40


def open_shop(books: Books, scale: Scale) -> Iterator[list[Insert]]:
    """Transactions that fill an empty shop, each of about a thousand rows; books are kept."""
    yield from _catalogue(books, scale)
    started = books.clock
    customers: list[Row] = []
    addresses: list[Row] = []
    for customer_id in range(1, scale.customers + 1):
        share = (customer_id / scale.customers) ** books.market.growth
        at = stamp(started - timedelta(days=books.market.days) * (1 - share))
        place = books.market.locale(books.rng, customer_id)
        row = rows.customer(books, customer_id, place, at)
        if customers and books.rng.random() < _DUPLICATES:
            row = rows.duplicate(row, books.rng.choice(customers))
        customers.append(row)
        for number in range(1, books.rng.randrange(2, 4)):
            addresses.append(rows.address(books, (customer_id, number), number == 1, place, at))
        books.customers.add(customer_id)
        if len(customers) == _CHUNK or customer_id == scale.customers:
            yield [Insert("customers", customers), Insert("customer_addresses", addresses)]
            customers, addresses = [], []
    books.next_keys["customers"] = scale.customers + 1
    yield from _orders(books, scale, started)
    books.clock = started


def _catalogue(books: Books, scale: Scale) -> Iterator[list[Insert]]:
    market = books.market
    at = stamp(books.clock - timedelta(days=market.days))
    stores: list[Row] = []
    for store_id, front in enumerate(market.fronts, start=1):
        books.stores.append(Store(store_id, front.currency_code, front.country_code))
        stores.append(
            {
                "store_id": store_id,
                "name": front.name,
                "city": front.city,
                "country_code": front.country_code,
                "time_zone": front.time_zone,
                "currency_code": front.currency_code,
                "opened_on": f"20{store_id:02d}-02-28",
                "closed_on": None,
                "updated_at": at,
            }
        )
    promotions: list[Row] = []
    for number, promotion in enumerate(market.promotions):
        books.promotions.append((promotion.code, promotion.percent))
        promotions.append(
            {
                "promotion_code": promotion.code,
                "name": promotion.name,
                "discount_percent": promotion.percent,
                "starts_at": at,
                "ends_at": stamp(books.clock) if number % 3 == 0 else None,
                "updated_at": at,
            }
        )
    categories: list[Row] = []
    for category_id, (name, parent) in enumerate(market.categories(scale.categories), start=1):
        books.categories.add(category_id)
        categories.append(
            {
                "category_id": category_id,
                "name": name,
                "parent_category_id": parent,
                "updated_at": at,
            }
        )
    yield [
        Insert("stores", stores),
        Insert("promotions", promotions),
        Insert("product_categories", categories),
    ]
    products: list[Row] = []
    shelves: list[Row] = []
    for product_id in range(1, scale.products + 1):
        products.append(rows.product(books, product_id, at))
        shelves += rows.first_deliveries(books, product_id, at)
        books.products.add(product_id)
    books.next_keys["products"] = scale.products + 1
    for table, found in (("products", products), ("inventory_movements", shelves)):
        for start in range(0, len(found), _CHUNK):
            yield [Insert(table, found[start : start + _CHUNK])]


def _orders(books: Books, scale: Scale, started: datetime) -> Iterator[list[Insert]]:
    batch: dict[str, list[Row]] = {}
    visits = books.market.visits(books.rng, scale.customers, scale.orders, started)
    for number, (customer_id, at) in enumerate(visits, start=1):
        for table, found in _past_order(books, customer_id, at, started).items():
            batch.setdefault(table, []).extend(found)
        if number % (_CHUNK // 5) == 0 or number == scale.orders:
            yield [Insert(table, found) for table, found in batch.items() if found]
            batch = {}


def _past_order(
    books: Books, customer_id: Key | None, at: datetime, started: datetime
) -> dict[str, list[Row]]:
    """One order with what followed from it, as far as it came before the shop opened."""
    rng = books.rng
    order_id = books.next_key("orders")
    order = rows.order(books, order_id, customer_id, at)
    status, pool = _stage(books, started - at)
    row = dict(order.row)
    reached = {
        "placed": (),
        "cancelled": ("cancelled",),
        "paid": ("paid",),
        "shipped": ("paid", "shipped"),
        "delivered": ("paid", "shipped", "delivered"),
        "returned": ("paid", "shipped", "delivered", "returned"),
    }[status]
    times: dict[str, str] = {}
    # All of them before the shop opens; parcels take their time where there is any.
    longest = min(_LONGEST_STEP, (started - at) / (len(reached) + 1)) // timedelta(microseconds=1)
    for step in reached:
        at += timedelta(microseconds=rng.randrange(longest // 4, longest + 1) + 1)
        times[step] = row[f"{step}_at"] = row["updated_at"] = stamp(at)
    row["status"] = status
    pool.add(order_id)
    store_id = _integer(row["store_id"])
    currency = str(row["currency_code"])
    payments = []
    if "paid" in times:
        payments.append(rows.payment(books, order_id, order.total, currency, times["paid"]))
    items = order.items
    if status == "delivered" and rng.random() < books.market.refunded:
        items, refund = _refunded_partially(items, times["delivered"])
        if refund:
            payments.append(rows.payment(books, order_id, -refund, currency, times["delivered"]))
    if "returned" in times:
        items = [{**item, **_back(item, times["returned"])} for item in items]
        if order.total > 0:
            payments.append(
                rows.payment(books, order_id, -order.total, currency, times["returned"])
            )
    moved: list[Row] = []
    if "shipped" in times:
        first = items[0]
        product_id, quantity = _integer(first["product_id"]), _integer(first["quantity"])
        moved.append(
            rows.movement(
                books, "sale", times["shipped"], (store_id, product_id, -quantity), order_id
            )
        )
    return {
        "orders": [row],
        "order_items": items,
        "payments": payments,
        "inventory_movements": moved,
    }


def _stage(books: Books, age: timedelta) -> tuple[str, Pool]:
    """How far an order of this age came: most of the recent ones are still under way."""
    settled = age > _SETTLED or books.rng.random() < 0.1
    chance, market = books.rng.random(), books.market
    if settled:
        if chance >= market.cancelled + market.returned:
            return "delivered", books.delivered
        return ("returned" if chance < market.returned else "cancelled"), books.closed
    if chance < 0.5:
        return "placed", books.placed
    return ("paid", books.paid) if chance < 0.8 else ("shipped", books.shipped)


def _refunded_partially(items: list[Row], at: str) -> tuple[list[Row], int]:
    """The lines with one piece of the last one back, and half its price in hundredths."""
    last = items[-1]
    if _integer(last["quantity"]) < 2:
        return items, 0
    back: Row = {**last, "returned_quantity": 1, "returned_at": at, "updated_at": at}
    return [*items[:-1], back], int(str(last["unit_price"]).replace(".", "")) // 2


def _back(item: Row, at: str) -> Row:
    return {
        "returned_quantity": max(_integer(item["quantity"]), 0),
        "returned_at": at,
        "updated_at": at,
    }


def _integer(value: Value) -> int:
    return int(value or 0)
