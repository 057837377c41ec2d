"""What the shop does in bulk: set-based transactions of up to a few hundred rows of one kind.

Each function drafts one transaction of about `size` row changes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from playground.shop import rows
from playground.shop.books import Draft, NothingToDoError, Pool, money
from playground.shop.market import City, Key
from playground.shop.statements import Delete, Insert, Row, Update

Operation = Callable[[Draft, int], None]

_WORTHWHILE = 9
"""Keys that a pool must hold before a bulk transaction takes some."""


def place_orders(draft: Draft, size: int) -> None:
    """A batch of orders comes in from a marketplace."""
    books = draft.books
    orders = []
    for _ in range(max(1, size // 4)):
        books.now()
        guest = books.rng.random() < 0.125
        customer_id = None if guest else books.customers.pick(books.rng)
        at = books.clock - timedelta(milliseconds=books.rng.randrange(50))
        order_id = books.next_key("orders")
        orders.append(rows.order(books, order_id, customer_id, at))
        draft.bear(order_id, books.placed)
    draft.add(Insert("orders", [order.row for order in orders]))
    draft.add(Insert("order_items", [item for order in orders for item in order.items]))


def pay_orders(draft: Draft, size: int) -> None:
    """The bank's file of payments is booked."""
    books = draft.books
    keys = _some(draft, books.placed, books.paid, size // 2)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(key, "paid", at) for key in keys]))
    draft.add(
        Insert(
            "payments",
            [
                rows.payment(books, order_id, total, currency, at)
                for order_id, total, currency, _ in books.totals(keys)
            ],
        )
    )


def ship_orders(draft: Draft, size: int) -> None:
    """The parcel service collects; one in three orders leaves the store's own stock."""
    books = draft.books
    keys = _some(draft, books.paid, books.shipped, size)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(key, "shipped", at) for key in keys]))
    items = books.read(
        "select orders.store_id, item.product_id, item.quantity, orders.order_id from orders "
        "inner join order_items as item on item.order_id = orders.order_id "
        "where orders.order_id = any(%s) and item.line_no = 1 order by orders.order_id",
        (keys[::3],),
    )
    draft.add(
        Insert(
            "inventory_movements",
            [
                rows.movement(books, "sale", at, (store_id, product_id, -quantity), order_id)
                for store_id, product_id, quantity, order_id in items
            ],
        )
    )


def deliver_orders(draft: Draft, size: int) -> None:
    """The parcel service reports what arrived."""
    books = draft.books
    keys = _some(draft, books.shipped, books.delivered, size)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(key, "delivered", at) for key in keys]))


def cancel_orders(draft: Draft, size: int) -> None:
    """Orders that nobody paid for are cancelled."""
    books = draft.books
    keys = _some(draft, books.placed, books.closed, size // 3)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(key, "cancelled", at) for key in keys]))


def return_orders(draft: Draft, size: int) -> None:
    """A truck of returned parcels is unpacked; the money goes out on this day."""
    books = draft.books
    keys = _some(draft, books.delivered, books.closed, size // 5)
    at = books.now()
    items = books.read(
        "select order_id, line_no, quantity from order_items where order_id = any(%s) "
        "order by order_id, line_no",
        (keys,),
    )
    draft.add(Update("orders", [rows.status_change(key, "returned", at) for key in keys]))
    draft.add(
        Update(
            "order_items",
            [
                {
                    "order_id": order_id,
                    "line_no": line_no,
                    "returned_quantity": max(quantity, 0),
                    "returned_at": at,
                    "updated_at": at,
                }
                for order_id, line_no, quantity in items
            ],
        )
    )
    draft.add(
        Insert(
            "payments",
            [
                rows.payment(books, order_id, -total, currency, at)
                for order_id, total, currency, _ in books.totals(keys)
                if total > 0
            ],
        )
    )


def purge_orders(draft: Draft, size: int) -> None:
    """Cancelled and returned orders are removed with their lines and payments."""
    books = draft.books
    keys = _some(draft, books.closed, None, size // 4)
    for table, key in (("order_items", "order_id, line_no"), ("payments", "payment_id")):
        columns = key.split(", ")
        found = books.read(
            f"select {key} from public.{table} where order_id = any(%s) order by {key}",
            (keys,),
        )
        draft.add(Delete(table, [dict(zip(columns, row, strict=True)) for row in found]))
    draft.add(Delete("orders", [{"order_id": key} for key in keys]))


def reprice_products(draft: Draft, size: int) -> None:
    """The buyers load a new price list; every other time costs have changed too."""
    books, rng = draft.books, draft.books.rng
    keys = _some(draft, books.products, books.products, size)
    at, costs = books.now(), rng.random() < 0.5
    changes: list[Row] = []
    for key in keys:
        price = books.reprice(key)
        change: Row = {"product_id": key, "unit_price": money(price), "updated_at": at}
        changes.append({**change, "unit_cost": books.market.cost(rng, price)} if costs else change)
    draft.add(Update("products", changes))


def review_tiers(draft: Draft, size: int) -> None:
    """The loyalty programme reviews customers."""
    books, rng = draft.books, draft.books.rng
    keys = _some(draft, books.customers, books.customers, size)
    at = books.now()
    found = books.read(
        "select customer_id, tier from customers where customer_id = any(%s) order by customer_id",
        (keys,),
    )
    changes: list[Row] = [
        {"customer_id": key, "tier": books.market.next_tier(rng, tier), "updated_at": at}
        for key, tier in found
    ]
    draft.add(Update("customers", changes))


def load_consents(draft: Draft, size: int) -> None:
    """The newsletter's provider reports who agreed and where they shop."""
    books, rng = draft.books, draft.books.rng
    keys = _some(draft, books.customers, books.customers, size)
    at = books.now()
    draft.add(
        Update(
            "customers",
            [
                {
                    "customer_id": key,
                    "marketing_consent": rng.random() < 0.5,
                    "preferred_store_id": books.market.store(
                        rng, books.stores, books.homes.get(key)
                    ).store_id,
                    "updated_at": at,
                }
                for key in keys
            ],
        )
    )


def normalise_addresses(draft: Draft, size: int) -> None:
    """The address checker corrects postal codes and regions."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    keys = _some(draft, books.customers, books.customers, size)
    at = books.now()
    found = books.read(
        "select customer_id, address_no, country_code, city from customer_addresses "
        "where customer_id = any(%s) order by customer_id, address_no",
        (keys,),
    )
    known = {
        (place.country_code, city.name): city for place in market.locales for city in place.cities
    }
    changes: list[Row] = []
    for customer_id, address_no, country_code, name in found:
        city = known.get((country_code, name)) or City(name, None, "")
        changes.append(
            {
                "customer_id": customer_id,
                "address_no": address_no,
                "postal_code": market.postal_code(rng, city),
                "region": city.region,
                "updated_at": at,
            }
        )
    draft.add(Update("customer_addresses", changes))


def recalculate_taxes(draft: Draft, size: int) -> None:
    """A tax rate was wrong: the lines of open orders are corrected."""
    books = draft.books
    pool = books.rng.choice((books.placed, books.paid, books.shipped))
    keys = _some(draft, pool, pool, size // 2)
    at = books.now()
    found = books.read(
        "select order_id, line_no, round(quantity * unit_price * %s, 2)::text from order_items "
        "where order_id = any(%s) order by order_id, line_no",
        (f"0.{books.rng.randrange(5, 25):02d}", keys),
    )
    changes: list[Row] = [
        {"order_id": order_id, "line_no": line_no, "tax_amount": tax, "updated_at": at}
        for order_id, line_no, tax in found
    ]
    draft.add(Update("order_items", changes))


def rebook_payments(draft: Draft, size: int) -> None:
    """The bank corrects when money moved, by up to two days."""
    books, rng = draft.books, draft.books.rng
    keys = _some(draft, books.delivered, books.delivered, size)
    at = books.now()
    found = books.read(
        "select payment_id, booked_at from payments where order_id = any(%s) order by payment_id",
        (keys,),
    )
    changes: list[Row] = [
        {
            "payment_id": payment_id,
            # later, but not in the future: money does not come before its order
            "booked_at": min(
                booked_at + timedelta(minutes=rng.randrange(1, 2880)), books.clock
            ).isoformat(),
            "updated_at": at,
        }
        for payment_id, booked_at in found
    ]
    draft.add(Update("payments", changes))


def receive_goods(draft: Draft, size: int) -> None:
    """A delivery from the warehouse is booked into a store's stock."""
    books, rng = draft.books, draft.books.rng
    store, at = rng.choice(books.stores), books.now()
    draft.add(
        Insert(
            "inventory_movements",
            [
                rows.movement(
                    books,
                    "delivery",
                    at,
                    (store.store_id, books.choose(store), rng.randrange(1, 500)),
                )
                for _ in range(max(1, size // 4))
            ],
        )
    )


def _some(draft: Draft, pool: Pool, to: Pool | None, count: int) -> list[Key]:
    """Up to `count` keys out of `pool`: a third of it at most, so that others find some too."""
    if len(pool) < _WORTHWHILE:
        raise NothingToDoError
    return draft.hold_many(pool, to, max(1, min(count, len(pool) // 3)))


OPERATIONS: tuple[Operation, ...] = (
    place_orders,
    pay_orders,
    ship_orders,
    deliver_orders,
    cancel_orders,
    return_orders,
    purge_orders,
    reprice_products,
    review_tiers,
    load_consents,
    normalise_addresses,
    recalculate_taxes,
    rebook_payments,
    receive_goods,
)
"""How often each happens is the market's (`Market.weights`)."""
