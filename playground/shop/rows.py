"""New rows of the shop: people, addresses, products, orders with their lines, payments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from playground.shop.books import Books, money, stamp
from playground.shop.market import METHODS, Key, Listing, Locale, Store
from playground.shop.statements import Row


@dataclass(frozen=True)
class Order:
    """An order with its lines and what they come to, in hundredths of its currency."""

    order_id: Key
    items: list[Row]
    total: int
    row: Row


def customer(books: Books, customer_id: Key, place: Locale, at: str) -> Row:
    """A customer who signed up `at`; one in ten gives away little."""
    rng, market = books.rng, books.market
    first = rng.choice(place.first_names)
    last = rng.choice(place.last_names)
    shy = rng.random() < 0.1
    home = market.home(rng, books.stores, place)
    if home is not None:
        books.homes[customer_id] = home
    email = f"{first}.{last}.{customer_id}@example.com".lower().replace(" ", "")
    return {
        "customer_id": customer_id,
        "email": None if shy else market.text(rng, email, 320),
        "first_name": market.text(rng, first, 100),
        "last_name": None if shy else market.text(rng, last, 100),
        "phone": None if shy else market.telephone(rng, place),
        "password_hash": hashlib.sha256(f"password of {customer_id}".encode()).hexdigest(),
        "birth_date": None if shy else birth_date(rng),
        "tier": market.first_tier(rng),
        "marketing_consent": rng.random() < 0.4,
        "preferred_store_id": home,
        "erased_at": None,
        "created_at": at,
        "updated_at": at,
    }


def duplicate(row: Row, of: Row) -> Row:
    """The customer `row` as an account that the person of `of` made once more."""
    names = ("first_name", "last_name", "phone", "birth_date", "preferred_store_id")
    return {**row, **{name: of[name] for name in names}}


def birth_date(rng: Random) -> str:
    """A day between 1930 and 2007, leap days included."""
    return (datetime(1930, 1, 1) + timedelta(days=rng.randrange(28_300))).date().isoformat()


def address(books: Books, key: tuple[Key, int], is_default: bool, place: Locale, at: str) -> Row:
    """An address; `key` is the customer and the number of the address."""
    rng, market = books.rng, books.market
    city = rng.choice(place.cities)
    return {
        "customer_id": key[0],
        "address_no": key[1],
        "is_default": is_default,
        "line_1": market.text(rng, f"{rng.choice(place.streets)} {rng.randrange(1, 200)}", 200),
        "line_2": f"Apt. {rng.randrange(1, 99)}" if rng.random() < 0.2 else None,
        "city": market.text(rng, city.name, 100) or city.name,
        "region": city.region,
        "postal_code": market.postal_code(rng, city),
        "country_code": place.country_code,
        "updated_at": at,
    }


def product(books: Books, product_id: Key, at: str) -> Row:
    """A product, which the books list from now on."""
    row: Row = {
        "product_id": product_id,
        "sku": f"SKU-{product_id:06d}",
        **books.market.product(books.rng, product_id, books.categories),
        "is_discontinued": False,
        "updated_at": at,
    }
    category_id = row["category_id"]
    books.listed[product_id] = Listing(
        int(str(row["unit_price"]).replace(".", "")),
        str(row["currency_code"]),
        None if category_id is None else int(category_id),
    )
    return row


def order(books: Books, order_id: Key, customer_id: Key | None, at: datetime) -> Order:
    """An order placed `at`, a moment before the row is written, with its lines."""
    rng, market = books.rng, books.market
    home = None if customer_id is None else books.homes.get(customer_id)
    store = market.store(rng, books.stores, home)
    code, percent = market.code(rng, books.promotions)
    placed_at = stamp(at)
    items: list[Row] = []
    total = 0
    for line_no in range(1, market.lines(rng) + 1):
        row, amount = _item(books, order_id, line_no, store, int(percent.replace(".", "")))
        items.append({**row, "updated_at": placed_at})
        total += amount
    return Order(
        order_id,
        items,
        total,
        {
            "order_id": order_id,
            "customer_id": customer_id,
            "store_id": store.store_id,
            "status": "placed",
            "currency_code": store.currency_code,
            "promotion_code": code,
            "placed_at": placed_at,
            "paid_at": None,
            "shipped_at": None,
            "delivered_at": None,
            "cancelled_at": None,
            "returned_at": None,
            "updated_at": placed_at,
        },
    )


def _item(books: Books, order_id: Key, line_no: int, store: Store, percent: int) -> tuple[Row, int]:
    """A line, and net amount in hundredths; `percent` is in hundredths of a percent."""
    rng, market = books.rng, books.market
    product_id = books.choose(store)
    listing = books.listed[product_id]
    quantity = market.quantity(rng, listing.price)
    gross = quantity * listing.price
    discount = gross * percent // 10_000
    rate = market.tax_percent(store.country_code, listing.category_id)
    tax = (gross - discount) * rate // 100
    row: Row = {
        "order_id": order_id,
        "line_no": line_no,
        "product_id": product_id,
        "quantity": quantity,
        "unit_price": money(listing.price),
        "discount_amount": money(discount),
        "tax_amount": money(tax),
        "returned_quantity": 0,
        "returned_at": None,
    }
    return row, gross - discount + tax


def payment(books: Books, order_id: Key, amount: int, currency_code: str, at: str) -> Row:
    """Money in, or out where `amount` (hundredths) is negative and the kind a refund."""
    return {
        "payment_id": books.next_key("payments"),
        "order_id": order_id,
        "kind": "refund" if amount < 0 else "payment",
        "method": books.rng.choice(METHODS),
        "amount": money(amount),
        "currency_code": currency_code,
        "booked_at": at,
        "updated_at": at,
    }


def movement(
    books: Books,
    reason: str,
    at: str,
    moved: tuple[Key, Key, int],
    order_id: Key | None = None,
) -> Row:
    """A movement of stock; `moved` is store, product and pieces in (positive) or out."""
    return {
        "movement_id": books.next_key("inventory_movements"),
        "store_id": moved[0],
        "product_id": moved[1],
        "quantity": moved[2],
        "reason": reason,
        "order_id": order_id,
        "moved_at": at,
    }


def first_deliveries(books: Books, product_id: Key, at: str) -> list[Row]:
    """What the stores that will sell a product get of it, where the market fills its shelves."""
    pieces, currency = books.market.shelf, books.listed[product_id].currency_code
    return [
        movement(books, "delivery", at, (store.store_id, product_id, pieces))
        for store in books.stores
        if pieces and store.currency_code == currency
    ]


def status_change(order_id: Key, status: str, at: str) -> Row:
    """The change that brings an order to `status`, with the time column of that status."""
    return {"order_id": order_id, "status": status, f"{status}_at": at, "updated_at": at}
