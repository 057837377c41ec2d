"""What the simulator knows of its shop: which keys are where, the next ones, the clock.

The books hold keys only; values are read from the database when a transaction needs them, so they
cannot drift apart. Everything is kept in orders that depend on the seed alone (lists, never sets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from playground.shop.market import Key, Listing, Market, Store
from playground.shop.statements import Row, Statement

Burial = list[tuple[str, list[Row]]]
"""Rows that were deleted together, by table, parents first."""
Read = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a query (whose order is total) and returns its rows."""


_GRAVES = 50


class NothingToDoError(Exception):
    """The shop has no rows of the kind that an activity needs: try another activity."""


class Pool:
    """Keys to choose from: adding, removing and drawing at random take constant time."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = list(keys)
        self._places = {key: place for place, key in enumerate(self._keys)}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def add(self, key: Key) -> None:
        """Add `key`; a key that is there stays where it is."""
        if key not in self._places:
            self._places[key] = len(self._keys)
            self._keys.append(key)

    def remove(self, key: Key) -> None:
        """Remove `key`; raises KeyError when it is not there."""
        place, last = self._places.pop(key), self._keys.pop()
        if last != key:
            self._keys[place] = last
            self._places[last] = place

    def pick(self, rng: Random, lean: float = 1) -> Key:
        """Some key, which stays; raises NothingToDoError when there is none.

        The more `lean` is above 1, the more often it is one of the first.
        """
        if not self._keys:
            raise NothingToDoError
        return self._keys[int(len(self._keys) * rng.random() ** lean)]


@dataclass
class Books:
    """The shop's books. `clock` is the application's own clock, which the data columns carry."""

    market: Market
    rng: Random
    read: Read
    clock: datetime
    stores: list[Store] = field(default_factory=list)
    promotions: list[tuple[str, str]] = field(default_factory=list)
    listed: dict[Key, Listing] = field(default_factory=dict)
    """What each product costs, and where it belongs."""
    homes: dict[Key, Key] = field(default_factory=dict)
    """The store that a customer preferred at first; not kept up to date."""
    categories: Pool = field(default_factory=Pool)
    products: Pool = field(default_factory=Pool)
    customers: Pool = field(default_factory=Pool)
    placed: Pool = field(default_factory=Pool)
    paid: Pool = field(default_factory=Pool)
    shipped: Pool = field(default_factory=Pool)
    delivered: Pool = field(default_factory=Pool)
    closed: Pool = field(default_factory=Pool)
    """Cancelled and returned orders."""
    graveyard: list[Burial] = field(default_factory=list)
    """Deleted rows that may come back under their old keys."""
    next_keys: dict[str, Key] = field(default_factory=dict)

    def now(self) -> str:
        """The application's time as text, a moment after the time before."""
        self.clock += timedelta(microseconds=self.rng.randrange(20, 400))
        return stamp(self.clock)

    def order_pools(self) -> tuple[Pool, ...]:
        """The pools of orders, one per stage of their life."""
        return (self.placed, self.paid, self.shipped, self.delivered, self.closed)

    def totals(self, orders: Sequence[Key]) -> list[tuple[Key, int, str, Key]]:
        """Order, net amount in hundredths, currency and store of `orders`, by ascending key."""
        found = self.read(
            "select orders.order_id, coalesce(sum(line.quantity * line.unit_price "
            "- line.discount_amount + line.tax_amount), 0.00), orders.currency_code, "
            "orders.store_id from orders "
            "left join order_items as line on line.order_id = orders.order_id "
            "where orders.order_id = any(%s) group by orders.order_id order by orders.order_id",
            (list(orders),),
        )
        return [
            (order_id, hundredths(total), currency, store_id)
            for order_id, total, currency, store_id in found
        ]

    def reprice(self, product_id: Key) -> int:
        """A new price of the product, in hundredths."""
        listing = self.listed[product_id]
        price = self.market.reprice(self.rng, listing.price)
        self.listed[product_id] = replace(listing, price=price)
        return price

    def choose(self, store: Store) -> Key:
        """A product that somebody takes from the shelves of the store."""
        return self.market.choose(self.rng, self.products, self.listed, store)

    def next_key(self, table: str) -> Key:
        """A new key of `table`; one that a rolled-back transaction drew is never used again."""
        key = self.next_keys.get(table, 1)
        self.next_keys[table] = key + 1
        return key


@dataclass
class Draft:
    """A transaction in the making.

    Keys that it changes are taken out of their pools, so that no other transaction under way
    touches the same rows; they come back, or go to the next pool, when it ends.
    """

    books: Books
    statements: list[Statement] = field(default_factory=list)
    _held: list[tuple[Key, Pool, Pool | None]] = field(default_factory=list)
    _born: list[tuple[Key, Pool]] = field(default_factory=list)
    _buried: list[Burial] = field(default_factory=list)

    def hold(self, pool: Pool, to: Pool | None) -> Key:
        """Take a random key out of `pool`; after the commit it is in `to` (None: gone)."""
        return self.hold_key(pool.pick(self.books.rng), pool, to)

    def hold_key(self, key: Key, pool: Pool, to: Pool | None) -> Key:
        """Take `key` out of `pool`; after the commit it is in `to` (None: gone)."""
        pool.remove(key)
        self._held.append((key, pool, to))
        return key

    def hold_many(self, pool: Pool, to: Pool | None, count: int) -> list[Key]:
        """Take up to `count` keys out of `pool`, in ascending order."""
        return sorted(self.hold(pool, to) for _ in range(min(count, len(pool))))

    def bear(self, key: Key, pool: Pool) -> None:
        """After the commit the new `key` is in `pool`."""
        self._born.append((key, pool))

    def bury(self, burial: Burial) -> None:
        """After the commit the rows of `burial` may be brought back."""
        self._buried.append(burial)

    def add(self, statement: Statement) -> None:
        """Append a statement; one without rows is left out."""
        if not hasattr(statement, "rows") or statement.rows:
            self.statements.append(statement)

    def committed(self) -> None:
        """Book what the transaction did."""
        for key, _, target in self._held:
            if target is not None:
                target.add(key)
        for key, pool in self._born:
            pool.add(key)
        self.books.graveyard.extend(self._buried)
        del self.books.graveyard[:-_GRAVES]

    def rolled_back(self) -> None:
        """Book that nothing happened."""
        for key, origin, _ in self._held:
            origin.add(key)


def stamp(at: datetime) -> str:
    """A UTC time as the JSON of statements carries it."""
    return at.isoformat(timespec="microseconds")


def money(hundredths: int) -> str:
    """An amount in hundredths as decimal text."""
    sign, amount = ("-", -hundredths) if hundredths < 0 else ("", hundredths)
    return f"{sign}{amount // 100}.{amount % 100:02d}"


def hundredths(amount: Any) -> int:
    """A decimal with two places as whole hundredths."""
    return int(amount * 100)
