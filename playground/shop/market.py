"""What a shop trades in, where and with whom: every value that the simulator makes up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING

from playground.shop.statements import Row

if TYPE_CHECKING:
    from playground.shop.books import Pool

Key = int
TIERS = ("bronze", "silver", "gold", "platinum")
METHODS = ("card", "paypal", "invoice", "voucher", "cash")


@dataclass(frozen=True)
class City:
    """A city, its region, and how its postal codes begin."""

    name: str
    region: str | None
    code: str


@dataclass(frozen=True)
class Locale:
    """A country's people and places."""

    country_code: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[City, ...]


@dataclass(frozen=True)
class StoreFront:
    """A store as the shop opens it."""

    name: str
    city: str | None
    country_code: str
    time_zone: str
    currency_code: str


@dataclass(frozen=True)
class Promotion:
    """A promotion as the shop opens; `percent` is decimal text."""

    code: str
    name: str
    percent: str


@dataclass(frozen=True)
class Store:
    """A store, with what an order needs of it."""

    store_id: Key
    currency_code: str
    country_code: str


@dataclass(frozen=True)
class Listing:
    """What an order needs of a product; `price` is in hundredths."""

    price: int
    currency_code: str
    category_id: Key | None


class Market(ABC):
    """A kind of shop. It holds no state: draws come from the caller's generator."""

    days: int
    """How long the shop has been open when the simulation begins."""
    growth: int
    """Customers sign up evenly; by 2, half of them in the first quarter of the time."""
    shelf: int
    """Pieces of a product that each store of its currency gets before it sells the first."""
    locales: tuple[Locale, ...]
    fronts: tuple[StoreFront, ...]
    promotions: tuple[Promotion, ...]
    cancelled: float
    """Share of past orders that were cancelled; `returned` came back whole, `refunded` in part."""
    returned: float
    refunded: float
    weights: Mapping[str, int]
    """How many row changes each bulk operation (by its function's name) makes, in proportion."""

    @abstractmethod
    def locale(self, rng: Random, customer_id: Key) -> Locale:
        """Where a customer lives who signs up."""

    def text(self, rng: Random, usual: str, longest: int) -> str:
        """What somebody typed in who meant `usual`."""
        return usual[:longest]

    @abstractmethod
    def visits(
        self, rng: Random, customers: int, orders: int, until: datetime
    ) -> Iterator[tuple[Key | None, datetime]]:
        """Who placed each past order (None: a guest), and when."""

    @abstractmethod
    def moves_to(self, rng: Random, country_code: str | None) -> Locale:
        """Where somebody who lives in the country moves to."""

    @abstractmethod
    def postal_code(self, rng: Random, city: City) -> str:
        """A postal code of the city."""

    @abstractmethod
    def telephone(self, rng: Random, place: Locale) -> str:
        """A telephone number."""

    @abstractmethod
    def first_tier(self, rng: Random) -> str:
        """The tier of a customer who signs up."""

    @abstractmethod
    def next_tier(self, rng: Random, tier: str) -> str:
        """What a review makes of a customer of `tier`."""

    @abstractmethod
    def home(self, rng: Random, stores: Sequence[Store], place: Locale) -> Key | None:
        """The store that a customer who lives there prefers."""

    @abstractmethod
    def store(self, rng: Random, stores: Sequence[Store], home: Key | None) -> Store:
        """Where somebody who prefers `home` orders."""

    @abstractmethod
    def categories(self, count: int) -> Sequence[tuple[str, Key | None]]:
        """Name and parent of each category, whose keys are 1, 2, …; `count` may be a wish."""

    @abstractmethod
    def category_name(self, rng: Random, category_id: Key) -> str:
        """Another name of a category."""

    @abstractmethod
    def store_name(self, rng: Random, store_id: Key) -> str:
        """Another name of a store."""

    @abstractmethod
    def promotion_name(self, rng: Random, code: str) -> str:
        """Another name of a promotion."""

    @abstractmethod
    def discount(self, rng: Random) -> int:
        """A new promotion's discount in hundredths of a percent."""

    @abstractmethod
    def product(self, rng: Random, product_id: Key, categories: Pool) -> Row:
        """What a product is called, belongs to, costs and weighs."""

    @abstractmethod
    def reprice(self, rng: Random, price: int) -> int:
        """Another price of a product, in hundredths."""

    @abstractmethod
    def cost(self, rng: Random, price: int) -> str | None:
        """What a product of this price costs, as decimal text with four places."""

    @abstractmethod
    def choose(
        self, rng: Random, products: Pool, listed: Mapping[Key, Listing], store: Store
    ) -> Key:
        """A product that somebody takes from the shelves of the store."""

    @abstractmethod
    def lines(self, rng: Random) -> int:
        """How many lines an order has."""

    @abstractmethod
    def quantity(self, rng: Random, price: int) -> int:
        """How many pieces of a product of this price a line has."""

    @abstractmethod
    def tax_percent(self, country_code: str, category_id: Key | None) -> int:
        """The tax on a line."""

    @abstractmethod
    def code(self, rng: Random, promotions: Sequence[tuple[str, str]]) -> tuple[str | None, str]:
        """The promotion code that a customer types in, if any, and its discount in percent."""
