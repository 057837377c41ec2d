"""New rows of the shop: people, addresses, products, orders with their lines, payments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from playground.shop.books import Books, Key, Store, money, stamp
from playground.shop.statements import Row
from playground.shop.vocabulary import (
    ADJECTIVES,
    BRANDS,
    LOCALES,
    METHODS,
    NOUNS,
    TIERS,
    Locale,
    as_typed,
    text,
)

_TAX_PERCENT = {locale.country_code: locale.tax_percent for locale in LOCALES}
_TAX_PERCENT_ELSEWHERE = 10


@dataclass(frozen=True)
class Order:
    """An order with its lines and what they come to, in hundredths of its currency."""

    order_id: Key
    items: list[Row]
    total: int
    row: Row


def locale(rng: Random) -> Locale:
    """Some country's people and places."""
    return LOCALES[rng.randrange(len(LOCALES))]


def customer(books: Books, customer_id: Key, place: Locale, at: str) -> Row:
    """A customer who signed up `at`; one in ten gives away little."""
    rng = books.rng
    first = rng.choice(place.first_names)
    last = rng.choice(place.last_names)
    shy = rng.random() < 0.1
    return {
        "customer_id": customer_id,
        "email": None if shy else text(rng, f"{first}.{last}.{customer_id}@example.com", 320),
        "first_name": text(rng, first, 100),
        "last_name": None if shy else text(rng, last, 100),
        "phone": None if shy else telephone(rng),
        "password_hash": hashlib.sha256(f"password of {customer_id}".encode()).hexdigest(),
        "birth_date": None if shy else birth_date(rng),
        "tier": TIERS[min(rng.randrange(8), 3) if rng.random() < 0.3 else 0],
        "marketing_consent": rng.random() < 0.4,
        "preferred_store_id": None if rng.random() < 0.3 else rng.choice(books.stores).store_id,
        "erased_at": None,
        "created_at": at,
        "updated_at": at,
    }


def telephone(rng: Random) -> str:
    """A telephone number, now and then typed in full-width digits."""
    number = f"+{rng.randrange(1, 99)} {rng.randrange(100, 999)} {rng.randrange(10**5, 10**7)}"
    if rng.random() < 0.02:
        return number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    return number


def birth_date(rng: Random) -> str:
    """A day between 1930 and 2007, leap days included."""
    return (datetime(1930, 1, 1) + timedelta(days=rng.randrange(28_300))).date().isoformat()


def address(rng: Random, key: tuple[Key, int], is_default: bool, place: Locale, at: str) -> Row:
    """An address; `key` is the customer and the number of the address."""
    city, region, code = place.cities[rng.randrange(len(place.cities))]
    return {
        "customer_id": key[0],
        "address_no": key[1],
        "is_default": is_default,
        "line_1": text(rng, f"{rng.choice(place.streets)} {rng.randrange(1, 200)}", 200),
        "line_2": f"Apt. {rng.randrange(1, 99)}" if rng.random() < 0.2 else None,
        "city": text(rng, city, 100) or city,
        "region": region,
        "postal_code": f"{code}{rng.randrange(10, 1000):03d}",
        "country_code": place.country_code,
        "updated_at": at,
    }


def product(books: Books, product_id: Key, at: str) -> Row:
    """A product, and its list price in the books."""
    rng = books.rng
    price = _price(rng, product_id)
    books.prices[product_id] = price
    # decimal(12,4) holds less than the largest prices
    cost = min(price * 6 // 10, 9_999_999_999)
    name = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {product_id}"
    return {
        "product_id": product_id,
        "sku": f"SKU-{product_id:06d}",
        "name": text(rng, name, 200) or name,
        "category_id": books.categories.pick(rng) if rng.random() < 0.95 else None,
        "brand": rng.choice(BRANDS) if rng.random() < 0.9 else None,
        "unit_price": money(price),
        "unit_cost": f"{money(cost)}{rng.randrange(100):02d}" if price > 1 else None,
        "currency_code": rng.choice(("EUR", "USD", "JPY")),
        "weight_kg": f"{rng.randrange(40)}.{rng.randrange(1000):03d}" if price % 5 else None,
        "is_discontinued": False,
        "description": _description(rng, product_id, name),
        "updated_at": at,
    }


def _price(rng: Random, product_id: Key) -> int:
    if product_id % 500 == 13:
        return 999_999_999_999  # the largest that decimal(12,2) holds
    if product_id % 100 == 3:
        return rng.randrange(10**8, 10**10)
    return rng.randrange(1, 30_000)


def _description(rng: Random, product_id: Key, name: str) -> str | None:
    if product_id % 4 == 0:
        return None
    if product_id % 50 == 7:
        # Incompressible and long: PostgreSQL stores it out of line, where updates leave it.
        return "".join(chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(rng.randrange(900, 2000)))
    return text(rng, f"{name}. Made to last.", 4000)


def order(books: Books, order_id: Key, customer_id: Key | None, at: datetime) -> Order:
    """An order placed `at`, a moment before the row is written, with one to six lines."""
    rng = books.rng
    store = rng.choice(books.stores)
    code, percent = rng.choice(books.promotions) if rng.random() < 0.25 else (None, "0.00")
    placed_at = stamp(at)
    items: list[Row] = []
    total = 0
    for line_no in range(1, min(rng.randrange(1, 7), rng.randrange(1, 7)) + 1):
        row, amount = _item(books, order_id, line_no, store, int(percent.replace(".", "")))
        items.append({**row, "updated_at": placed_at})
        total += amount
    typed = None if code is None else as_typed(rng, code)
    if typed is not None and rng.random() < 0.02:
        typed += "?"  # a code that nobody issued
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
            "promotion_code": typed,
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
    rng = books.rng
    product_id = books.products.pick(rng)
    price = books.prices[product_id]
    quantity = _quantity(rng, price)
    gross = quantity * price
    discount = gross * percent // 10_000
    tax = (gross - discount) * _TAX_PERCENT.get(store.country_code, _TAX_PERCENT_ELSEWHERE) // 100
    row: Row = {
        "order_id": order_id,
        "line_no": line_no,
        "product_id": product_id,
        "quantity": quantity,
        "unit_price": money(price),
        "discount_amount": money(discount),
        "tax_amount": money(tax),
        "returned_quantity": 0,
        "returned_at": None,
    }
    return row, gross - discount + tax


def _quantity(rng: Random, price: int) -> int:
    chance = rng.random()
    if chance < 0.004:
        return -1  # a correction line takes a piece back
    if chance < 0.01 and price < 10**8:
        return rng.randrange(100, 5000)  # a wholesaler
    return rng.randrange(2, 6) if chance < 0.4 else 1


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


def status_change(order_id: Key, status: str, at: str) -> Row:
    """The change that brings an order to `status`, with the time column of that status."""
    return {"order_id": order_id, "status": status, f"{status}_at": at, "updated_at": at}
