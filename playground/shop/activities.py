"""What single people do in the shop: small transactions, each a function that drafts one.

A function reads the values that it needs, takes the keys that it changes and adds statements. It
raises NothingToDoError where the shop has nothing of the kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from playground.shop import rows
from playground.shop.books import Draft, NothingToDoError, hundredths, money
from playground.shop.market import Key
from playground.shop.statements import Delete, Insert, Rekey, Row, Undone, Update

Activity = Callable[[Draft], None]


def sign_up(draft: Draft) -> None:
    """A new customer with one or two addresses, often with the first order in one transaction."""
    books, rng = draft.books, draft.books.rng
    at, customer_id = books.now(), books.next_key("customers")
    place = books.market.locale(rng, customer_id)
    customer = rows.customer(books, customer_id, place, at)
    if len(books.customers) and rng.random() < 0.05:
        known = _rows(draft, "customers", "customer_id", books.customers.pick(rng))
        customer = rows.duplicate(customer, known[0])
    draft.add(Insert("customers", [customer]))
    addresses = [
        rows.address(books, (customer_id, number), number == 1, place, at)
        for number in range(1, rng.randrange(2, 4))
    ]
    draft.add(Insert("customer_addresses", addresses))
    draft.bear(customer_id, books.customers)
    if rng.random() < 0.4:
        _place(draft, customer_id)


def place_order(draft: Draft) -> None:
    """A known customer orders, or one time in eight a guest."""
    books = draft.books
    _place(draft, None if books.rng.random() < 0.125 else books.customers.pick(books.rng))


def _place(draft: Draft, customer_id: Key | None) -> None:
    books = draft.books
    books.now()
    # The application stamps the order before the row reaches the database.
    at = books.clock - timedelta(milliseconds=books.rng.randrange(50))
    order = rows.order(books, books.next_key("orders"), customer_id, at)
    draft.add(Insert("orders", [order.row]))
    draft.add(Insert("order_items", order.items))
    draft.bear(order.order_id, books.placed)


def pay_order(draft: Draft) -> None:
    """A placed order is paid in full."""
    books = draft.books
    order_id = draft.hold(books.placed, books.paid)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(order_id, "paid", at)]))
    ((_, total, currency, _),) = books.totals([order_id])
    draft.add(Insert("payments", [rows.payment(books, order_id, total, currency, at)]))


def ship_order(draft: Draft) -> None:
    """A paid order leaves the stock of its store."""
    books = draft.books
    order_id = draft.hold(books.paid, books.shipped)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(order_id, "shipped", at)]))
    ((_, _, _, store_id),) = books.totals([order_id])
    draft.add(
        Insert(
            "inventory_movements",
            [
                rows.movement(books, "sale", at, (store_id, product, -quantity), order_id)
                for product, quantity in books.read(
                    "select product_id, quantity from order_items where order_id = %s "
                    "order by line_no",
                    (order_id,),
                )
            ],
        )
    )


def deliver_order(draft: Draft) -> None:
    """A shipped order arrives."""
    books = draft.books
    order_id = draft.hold(books.shipped, books.delivered)
    draft.add(Update("orders", [rows.status_change(order_id, "delivered", books.now())]))


def cancel_order(draft: Draft) -> None:
    """A placed or paid order is cancelled; what was paid goes back."""
    books = draft.books
    paid = books.rng.random() < 0.5
    order_id = draft.hold(books.paid if paid else books.placed, books.closed)
    at = books.now()
    draft.add(Update("orders", [rows.status_change(order_id, "cancelled", at)]))
    if paid:
        ((_, total, currency, _),) = books.totals([order_id])
        if total > 0:
            draft.add(Insert("payments", [rows.payment(books, order_id, -total, currency, at)]))


def return_order(draft: Draft) -> None:
    """Every piece of a delivered order comes back and the money goes out again."""
    books = draft.books
    order_id = draft.hold(books.delivered, books.closed)
    at = books.now()
    ((_, total, currency, store_id),) = books.totals([order_id])
    items = books.read(
        "select line_no, product_id, quantity from order_items where order_id = %s "
        "order by line_no",
        (order_id,),
    )
    draft.add(Update("orders", [rows.status_change(order_id, "returned", at)]))
    draft.add(
        Update(
            "order_items",
            [_returned(order_id, line_no, max(quantity, 0), at) for line_no, _, quantity in items],
        )
    )
    if total > 0:
        draft.add(Insert("payments", [rows.payment(books, order_id, -total, currency, at)]))
    draft.add(
        Insert(
            "inventory_movements",
            [
                rows.movement(books, "return", at, (store_id, product, quantity), order_id)
                for _, product, quantity in items
            ],
        )
    )


def refund_partially(draft: Draft) -> None:
    """One piece of one line comes back, and a part of its price goes out."""
    books = draft.books
    order_id = draft.hold(books.delivered, books.delivered)
    items = books.read(
        "select line_no, returned_quantity, unit_price from order_items "
        "where order_id = %s and returned_quantity < quantity order by line_no",
        (order_id,),
    )
    if not items:
        raise NothingToDoError
    line_no, returned, price = books.rng.choice(items)
    ((_, _, currency, _),) = books.totals([order_id])
    at = books.now()
    draft.add(Update("order_items", [_returned(order_id, line_no, returned + 1, at)]))
    part = hundredths(price) * books.rng.randrange(1, 101) // 100
    if part:
        draft.add(Insert("payments", [rows.payment(books, order_id, -part, currency, at)]))


def correct_order(draft: Draft) -> None:
    """Customer care corrects when an order was placed, or who placed it."""
    books, rng = draft.books, draft.books.rng
    pool = rng.choice((books.placed, books.delivered))
    order_id = draft.hold(pool, pool)
    ((placed_at, customer_id),) = books.read(
        "select placed_at, customer_id from orders where order_id = %s", (order_id,)
    )
    if rng.random() < 0.6:
        placed_at -= timedelta(hours=rng.randrange(1, 72))
    if rng.random() < 0.6:
        customer_id = None if rng.random() < 0.1 else books.customers.pick(rng)
    draft.add(
        Update(
            "orders",
            [
                {
                    "order_id": order_id,
                    "placed_at": placed_at.isoformat(),
                    "customer_id": customer_id,
                    "updated_at": books.now(),
                }
            ],
        )
    )


def correct_line_no(draft: Draft) -> None:
    """The last line of an order gets another number: a primary-key update."""
    books = draft.books
    order_id = draft.hold(books.placed, books.placed)
    ((last,),) = books.read("select max(line_no) from order_items where order_id = %s", (order_id,))
    draft.add(
        Rekey(
            "order_items",
            [
                {
                    "old_order_id": order_id,
                    "old_line_no": last,
                    "order_id": order_id,
                    "line_no": last + books.rng.randrange(1, 5),
                    "updated_at": books.now(),
                }
            ],
        )
    )


def delete_order(draft: Draft) -> None:
    """An order was a mistake: it goes with its lines and payments, and may come back."""
    books = draft.books
    pool = books.rng.choice((books.placed, books.closed))
    order_id = draft.hold(pool, None)
    _bury(draft, ("order_items", "payments", "orders"), "order_id", order_id)


def change_address(draft: Draft) -> None:
    """A customer moves house: the address changes, or another one is added."""
    books, rng = draft.books, draft.books.rng
    customer_id = draft.hold(books.customers, books.customers)
    found = books.read(
        "select address_no, country_code from customer_addresses where customer_id = %s "
        "order by address_no",
        (customer_id,),
    )
    at, place = books.now(), books.market.moves_to(rng, found[0][1] if found else None)
    if not found or (rng.random() < 0.3 and found[-1][0] < 30_000):
        number = found[-1][0] + 1 if found else 1
        new = rows.address(books, (customer_id, number), not found, place, at)
        draft.add(Insert("customer_addresses", [new]))
    else:
        new = rows.address(books, (customer_id, rng.choice(found)[0]), False, place, at)
        kept = {name: value for name, value in new.items() if name != "is_default"}
        draft.add(Update("customer_addresses", [kept]))


def switch_default_address(draft: Draft) -> None:
    """Another address becomes the default one: two rows change together."""
    books = draft.books
    customer_id = draft.hold(books.customers, books.customers)
    addresses = books.read(
        "select address_no, is_default from customer_addresses where customer_id = %s "
        "order by address_no",
        (customer_id,),
    )
    others = [number for number, is_default in addresses if not is_default]
    if not others:
        raise NothingToDoError
    at, chosen = books.now(), books.rng.choice(others)
    for number, is_default in addresses:
        if is_default:
            draft.add(Update("customer_addresses", [_default(customer_id, number, False, at)]))
    draft.add(Update("customer_addresses", [_default(customer_id, chosen, True, at)]))


def delete_address(draft: Draft) -> None:
    """A customer removes the last address, the default one included."""
    books = draft.books
    customer_id = draft.hold(books.customers, books.customers)
    ((last,),) = books.read(
        "select max(address_no) from customer_addresses where customer_id = %s", (customer_id,)
    )
    if last is None:
        raise NothingToDoError
    draft.add(Delete("customer_addresses", [{"customer_id": customer_id, "address_no": last}]))


def correct_address_no(draft: Draft) -> None:
    """An address gets a free number: a primary-key update."""
    books = draft.books
    customer_id = draft.hold(books.customers, books.customers)
    ((first, last),) = books.read(
        "select min(address_no), max(address_no) from customer_addresses where customer_id = %s",
        (customer_id,),
    )
    if first is None or last > 30_000:
        raise NothingToDoError
    draft.add(
        Rekey(
            "customer_addresses",
            [
                {
                    "old_customer_id": customer_id,
                    "old_address_no": first,
                    "customer_id": customer_id,
                    "address_no": last + 1,
                    "updated_at": books.now(),
                }
            ],
        )
    )


def change_profile(draft: Draft) -> None:
    """Tier, name or consent of a customer changes, several times in one transaction."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    customer_id = draft.hold(books.customers, books.customers)
    ((tier,),) = books.read("select tier from customers where customer_id = %s", (customer_id,))
    for _ in range(rng.randrange(1, 4)):
        place = market.locale(rng, customer_id)
        tier = market.next_tier(rng, tier)
        changes: list[Row] = [
            {"tier": tier},
            {"first_name": market.text(rng, rng.choice(place.first_names), 100)},
            {"last_name": rng.choice(place.last_names), "marketing_consent": True},
            {"phone": market.telephone(rng, place)},
        ]
        change = rng.choice(changes)
        draft.add(
            Update("customers", [{"customer_id": customer_id, **change, "updated_at": books.now()}])
        )


def erase_customer(draft: Draft) -> None:
    """An erasure on request: personal columns become null, addresses lose street and code."""
    books = draft.books
    customer_id = draft.hold(books.customers, None)
    at = books.now()
    nothing: Row = dict.fromkeys(
        ("email", "first_name", "last_name", "phone", "password_hash", "birth_date")
    )
    erased = {"customer_id": customer_id, **nothing, "marketing_consent": False}
    draft.add(Update("customers", [{**erased, "erased_at": at, "updated_at": at}]))
    blank: Row = dict.fromkeys(("line_1", "line_2", "postal_code"))
    draft.add(
        Update(
            "customer_addresses",
            [
                {"customer_id": customer_id, "address_no": number, **blank, "updated_at": at}
                for (number,) in books.read(
                    "select address_no from customer_addresses where customer_id = %s "
                    "order by address_no",
                    (customer_id,),
                )
            ],
        )
    )


def correct_customer_id(draft: Draft) -> None:
    """A customer gets another key, and addresses and orders follow in the same transaction."""
    books = draft.books
    customer_id = draft.hold(books.customers, None)
    new, at = books.next_key("customers"), books.now()
    draft.bear(new, books.customers)
    renamed: Row = {"customer_id": new, "old_customer_id": customer_id, "updated_at": at}
    draft.add(Rekey("customers", [renamed]))
    draft.add(
        Rekey(
            "customer_addresses",
            [
                {**renamed, "address_no": number, "old_address_no": number}
                for (number,) in books.read(
                    "select address_no from customer_addresses where customer_id = %s "
                    "order by address_no",
                    (customer_id,),
                )
            ],
        )
    )
    orders = []
    for (order_id,) in books.read(
        "select order_id from orders where customer_id = %s order by order_id", (customer_id,)
    ):
        for pool in books.order_pools():
            if order_id in pool:
                orders.append(draft.hold_key(order_id, pool, pool))
    draft.add(
        Update(
            "orders",
            [{"order_id": key, "customer_id": new, "updated_at": at} for key in orders],
        )
    )


def delete_customer(draft: Draft) -> None:
    """A customer's account goes, with its addresses; it may come back under its key."""
    books = draft.books
    customer_id = draft.hold(books.customers, None)
    _bury(draft, ("customer_addresses", "customers"), "customer_id", customer_id)


def bring_back(draft: Draft) -> None:
    """Something deleted is inserted again under its old key."""
    books = draft.books
    if not books.graveyard:
        raise NothingToDoError
    for table, buried in books.graveyard.pop(0):
        draft.add(Insert(table, buried))


def replace_address(draft: Draft) -> None:
    """An address is deleted and inserted again with other values in one transaction."""
    books = draft.books
    customer_id = draft.hold(books.customers, books.customers)
    found = books.read(
        "select address_no, is_default from customer_addresses where customer_id = %s "
        "order by address_no limit 1",
        (customer_id,),
    )
    if not found:
        raise NothingToDoError
    number, is_default = found[0]
    draft.add(Delete("customer_addresses", [{"customer_id": customer_id, "address_no": number}]))
    place = books.market.locale(books.rng, customer_id)
    new = rows.address(books, (customer_id, number), is_default, place, books.now())
    draft.add(Insert("customer_addresses", [new]))


def try_address(draft: Draft) -> None:
    """An address is inserted, changed and deleted within one transaction."""
    books, rng = draft.books, draft.books.rng
    customer_id = draft.hold(books.customers, books.customers)
    key: Row = {"customer_id": customer_id, "address_no": 32_000}
    at, place = books.now(), books.market.locale(rng, customer_id)
    new = rows.address(books, (customer_id, 32_000), False, place, at)
    draft.add(Insert("customer_addresses", [new]))
    draft.add(Update("customer_addresses", [{**key, "line_2": "c/o", "updated_at": books.now()}]))
    draft.add(Delete("customer_addresses", [key]))


def touch_customer(draft: Draft) -> None:
    """The application saves a customer as it is: an update that changes nothing."""
    books = draft.books
    customer_id = draft.hold(books.customers, books.customers)
    ((tier,),) = books.read("select tier from customers where customer_id = %s", (customer_id,))
    draft.add(Update("customers", [{"customer_id": customer_id, "tier": tier}]))


def change_price(draft: Draft) -> None:
    """A price goes up and down again within one transaction; one attempt is undone."""
    books, rng = draft.books, draft.books.rng
    product_id = draft.hold(books.products, books.products)
    price = books.listed[product_id].price
    draft.add(Undone([Update("products", [_priced(product_id, price // 2 + 1, books.now())])]))
    for _ in range(rng.randrange(1, 4)):
        price = books.reprice(product_id)
        draft.add(Update("products", [_priced(product_id, price, books.now())]))


def discontinue_product(draft: Draft) -> None:
    """A product is no longer sold."""
    books = draft.books
    product_id = draft.hold(books.products, None)
    discontinued: Row = {"product_id": product_id, "is_discontinued": True}
    draft.add(Update("products", [{**discontinued, "updated_at": books.now()}]))


def launch_product(draft: Draft) -> None:
    """A new product is listed."""
    books = draft.books
    product_id = books.next_key("products")
    at = books.now()
    draft.add(Insert("products", [rows.product(books, product_id, at)]))
    draft.add(Insert("inventory_movements", rows.first_deliveries(books, product_id, at)))
    draft.bear(product_id, books.products)


def rename_category(draft: Draft) -> None:
    """A category is renamed: every product in it has another category name from now on."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    category_id = draft.hold(books.categories, books.categories)
    name = market.text(rng, market.category_name(rng, category_id), 100)
    draft.add(
        Update(
            "product_categories",
            [{"category_id": category_id, "name": name, "updated_at": books.now()}],
        )
    )


def change_promotion(draft: Draft) -> None:
    """A promotion of the season is made, changed or deleted."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    code = f"Flash{rng.randrange(20)}"
    there = books.read("select 1 from promotions where promotion_code = %s", (code,))
    at = books.now()
    changed: Row = {
        "promotion_code": code,
        "name": market.text(rng, f"Flash sale {code}", 100),
        "discount_percent": money(market.discount(rng)),
        "updated_at": at,
    }
    if not there:
        draft.add(Insert("promotions", [{**changed, "starts_at": at, "ends_at": None}]))
    elif rng.random() < 0.3:
        draft.add(Delete("promotions", [{"promotion_code": code}]))
    else:
        draft.add(Update("promotions", [{**changed, "ends_at": at}]))


def change_known_promotion(draft: Draft) -> None:
    """A promotion that customers use gets another name."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    code, _ = rng.choice(books.promotions)
    name = market.text(rng, market.promotion_name(rng, code), 100)
    draft.add(
        Update("promotions", [{"promotion_code": code, "name": name, "updated_at": books.now()}])
    )


def rename_store(draft: Draft) -> None:
    """A store gets another name."""
    books, rng, market = draft.books, draft.books.rng, draft.books.market
    store = rng.choice(books.stores)
    name = market.text(rng, market.store_name(rng, store.store_id), 100)
    draft.add(
        Update("stores", [{"store_id": store.store_id, "name": name, "updated_at": books.now()}])
    )


def count_stock(draft: Draft) -> None:
    """A few products of a store are counted."""
    books, rng = draft.books, draft.books.rng
    store, at = rng.choice(books.stores), books.now()
    draft.add(
        Insert(
            "inventory_movements",
            [
                rows.movement(
                    books,
                    rng.choice(("delivery", "transfer", "loss", "count")),
                    at,
                    (store.store_id, books.choose(store), rng.randrange(-20, 200)),
                )
                for _ in range(rng.randrange(1, 6))
            ],
        )
    )


def _returned(order_id: Key, line_no: int, quantity: int, at: str) -> Row:
    return {
        "order_id": order_id,
        "line_no": line_no,
        "returned_quantity": quantity,
        "returned_at": at,
        "updated_at": at,
    }


def _default(customer_id: Key, number: int, is_default: bool, at: str) -> Row:
    return {
        "customer_id": customer_id,
        "address_no": number,
        "is_default": is_default,
        "updated_at": at,
    }


def _priced(product_id: Key, price: int, at: str) -> Row:
    return {"product_id": product_id, "unit_price": money(price), "updated_at": at}


def _bury(draft: Draft, tables: tuple[str, ...], column: str, key: Key) -> None:
    """Delete the rows of `key` in `tables` (children first) and remember them all."""
    buried: list[tuple[str, list[Row]]] = []
    for table in tables:
        removed = _rows(draft, table, column, key)
        draft.add(Delete(table, removed))
        buried.insert(0, (table, removed))
    draft.bury(buried)


def _rows(draft: Draft, table: str, column: str, key: Key) -> list[Row]:
    """The rows of `key` as they are; decimals as text: a float would not hold the large ones."""
    found = draft.books.read(
        f"select to_jsonb(row)::text from public.{table} as row where {column} = %s "
        "order by to_jsonb(row)::text",
        (key,),
    )
    return [json.loads(row, parse_float=str) for (row,) in found]
