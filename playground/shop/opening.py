"""The shop as it is before anybody watches: two years of customers, products and orders in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from playground.shop import rows
from playground.shop.books import Books, Pool, Store, stamp
from playground.shop.statements import Insert, Row, Value
from playground.shop.vocabulary import PROMOTIONS, STORES

_HISTORY_DAYS = 730
_LONGEST_STEP = timedelta(days=3)
"""The most time from one step of an order to the next: paid, shipped, delivered, returned."""
_CHUNK = 1000


@dataclass(frozen=True)
class Scale:
    """How large the shop is when it opens; its database then has about 6 rows per order."""

    customers: int = 8_000
    orders: int = 8_000
    products: int = 3_000
    categories: int = 40


def open_shop(books: Books, scale: Scale) -> Iterator[list[Insert]]:
    """Transactions that fill an empty shop, each of about a thousand rows; books are kept."""
    yield from _catalogue(books, scale)
    started = books.clock
    customers: list[Row] = []
    addresses: list[Row] = []
    for customer_id in range(1, scale.customers + 1):
        at = stamp(started - timedelta(days=_HISTORY_DAYS) * (1 - customer_id / scale.customers))
        place = rows.locale(books.rng)
        customers.append(rows.customer(books, customer_id, place, at))
        for number in range(1, books.rng.randrange(2, 4)):
            addresses.append(rows.address(books.rng, (customer_id, number), number == 1, place, at))
        books.customers.add(customer_id)
        if len(customers) == _CHUNK or customer_id == scale.customers:
            yield [Insert("customers", customers), Insert("customer_addresses", addresses)]
            customers, addresses = [], []
    books.next_keys["customers"] = scale.customers + 1
    yield from _orders(books, scale, started)
    books.clock = started


def _catalogue(books: Books, scale: Scale) -> Iterator[list[Insert]]:
    at = stamp(books.clock - timedelta(days=_HISTORY_DAYS))
    stores: list[Row] = []
    for store_id, (name, city, country, zone, currency) in enumerate(STORES, start=1):
        books.stores.append(Store(store_id, currency, country))
        stores.append(
            {
                "store_id": store_id,
                "name": name,
                "city": city,
                "country_code": country,
                "time_zone": zone,
                "currency_code": currency,
                "opened_on": f"20{store_id:02d}-02-28",
                "closed_on": None,
                "updated_at": at,
            }
        )
    promotions: list[Row] = []
    for number, (code, percent) in enumerate(PROMOTIONS):
        books.promotions.append((code, percent))
        promotions.append(
            {
                "promotion_code": code,
                "name": f"Promotion {code}",
                "discount_percent": percent,
                "starts_at": at,
                "ends_at": stamp(books.clock) if number % 3 == 0 else None,
                "updated_at": at,
            }
        )
    categories: list[Row] = []
    for category_id in range(1, scale.categories + 1):
        books.categories.add(category_id)
        categories.append(
            {
                "category_id": category_id,
                "name": f"Category {category_id}",
                "parent_category_id": category_id // 5 or None,
                "updated_at": at,
            }
        )
    yield [
        Insert("stores", stores),
        Insert("promotions", promotions),
        Insert("product_categories", categories),
    ]
    products: list[Row] = []
    for product_id in range(1, scale.products + 1):
        products.append(rows.product(books, product_id, at))
        books.products.add(product_id)
    books.next_keys["products"] = scale.products + 1
    for start in range(0, len(products), _CHUNK):
        yield [Insert("products", products[start : start + _CHUNK])]


def _orders(books: Books, scale: Scale, started: datetime) -> Iterator[list[Insert]]:
    batch: dict[str, list[Row]] = {}
    for number in range(1, scale.orders + 1):
        for table, found in _past_order(books, started).items():
            batch.setdefault(table, []).extend(found)
        if number % (_CHUNK // 5) == 0 or number == scale.orders:
            yield [Insert(table, found) for table, found in batch.items() if found]
            batch = {}


def _past_order(books: Books, started: datetime) -> dict[str, list[Row]]:
    """One order with what followed from it, as far as it came before the shop opened."""
    rng = books.rng
    order_id = books.next_key("orders")
    hours = rng.randrange(24 * _HISTORY_DAYS) if rng.random() < 0.5 else rng.randrange(1, 240)
    # Keys follow the order of sign-ups, which are spread evenly over the same time.
    signed_up = int(len(books.customers) * (1 - (hours + 1) / (24 * _HISTORY_DAYS)))
    customer_id = None if rng.random() < 0.125 else rng.randrange(max(1, signed_up)) + 1
    at = started - timedelta(hours=hours, microseconds=rng.randrange(3_600_000_000))
    order = rows.order(books, order_id, customer_id, at)
    status, pool = _stage(books, hours)
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
    if status == "delivered" and rng.random() < 0.1:
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


def _stage(books: Books, hours: int) -> tuple[str, Pool]:
    """How far an order of `hours` ago came: most of the recent ones are still under way."""
    chance = books.rng.random()
    if hours > 240 or chance < 0.1:
        if chance < 0.8:
            return "delivered", books.delivered
        return ("returned" if chance < 0.9 else "cancelled"), books.closed
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
