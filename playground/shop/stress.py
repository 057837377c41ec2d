"""A shop that breaks pipelines: awkward texts, extreme amounts, zones around the date line.

For tests and benchmarks; the demo's shop is `playground.shop.retailer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random

from playground.shop.books import Pool, money
from playground.shop.market import (
    TIERS,
    City,
    Key,
    Listing,
    Locale,
    Market,
    Promotion,
    Store,
    StoreFront,
)
from playground.shop.statements import Row

BRANDS = (
    "Nordlicht",
    "Kōbō 工房",
    "L'Atelier",
    "Açaí & Co",
    "Ørsted",
    "Zażółć",
    "Iris™",
    "B\\Side",
)
ADJECTIVES = ("Slim", "Große", "Petite", "Rustic", "軽い", "Łagodny", "Handmade", "Vintage")
NOUNS = ("Lamp", "Stuhl", "Théière", "Kettle", "Notebook", "傘", "Bicycle", "Jacke", "Mug 🍵")

# Texts that break whoever splits, escapes, trims, upper-cases or normalises carelessly.
AWKWARD = (
    "Zoë",
    "Zoe\u0308",  # the same name with a combining mark: other bytes
    "山田 花子",
    "👩\u200d👩\u200d👧 family",
    "O'Brien",
    'the "Great"',
    "back\\slash \\n",
    "pipe|tilde~",
    "~n",
    "~0|~1",
    "trailing blanks  ",
    "  leading blanks",
    "tab\tand\nnew line",
    "null",
    "NULL",
    "",
    "שלום עולם",
    "İstanbul \u0131I",
    "Straße STRASSE",
    "${jndi:x} {{ ref('x') }} '; drop table orders; --",
    "line\u2028separator",
    "\ufeffmarked",
    "%s %(name)s",
)

LOCALES = (
    Locale(
        "DE",
        ("Anna", "Jürgen", "Björn", "Käthe", "Mia", "Lukas"),
        ("Müller", "Weiß", "Schäfer", "von der Heide", "Öztürk"),
        ("Hauptstraße", "Am Marktplatz", "Lindenweg"),
        (
            City("Köln", "Nordrhein-Westfalen", "50"),
            City("München", "Bayern", "80"),
            City("Berlin", None, "10"),
        ),
    ),
    Locale(
        "US",
        ("Olivia", "Liam", "José", "Emma", "Noah", "Zoë"),
        ("Smith", "O'Brien", "García", "Nguyen", "Johnson"),
        ("Main Street", "5th Avenue", "Elm Street"),
        (
            City("New York", "NY", "100"),
            City("Los Angeles", "CA", "900"),
            City("Boise", "ID", "837"),
        ),
    ),
    Locale(
        "JP",
        ("花子", "太郎", "さくら", "蓮"),
        ("山田", "佐藤", "鈴木", "髙橋"),
        ("銀座", "道玄坂", "中央通り"),
        (City("東京", "東京都", "10"), City("大阪", "大阪府", "53")),
    ),
    Locale(
        "BR",
        ("João", "Conceição", "Thaís", "Davi"),
        ("da Silva", "Araújo", "Gonçalves"),
        ("Avenida Paulista", "Rua São João"),
        (City("São Paulo", "SP", "01"), City("Belém", "PA", "66")),
    ),
    Locale(
        "NP",
        ("सीता", "राम", "Sunita"),
        ("श्रेष्ठ", "Gurung", "Tamang"),
        ("Durbar Marg", "Thamel Marg"),
        (City("Kathmandu", None, "44"), City("Pokhara", None, "33")),
    ),
    Locale(
        "GB",
        ("Siân", "Harry", "Aoife", "George"),
        ("Llewellyn", "Smith-Jones", "MacDonald"),
        ("High Street", "Station Road"),
        (City("London", None, "SW1A "), City("Cardiff", "Wales", "CF10 ")),
    ),
)

# Time zones with half and quarter hours, on both sides of the date line, with and without summer
# time: the store's local day is the sales day.
STORES = (
    StoreFront("Köln Innenstadt", "Köln", "DE", "Europe/Berlin", "EUR"),
    StoreFront("Web Deutschland", None, "DE", "Europe/Berlin", "EUR"),
    StoreFront("Fifth Avenue", "New York", "US", "America/New_York", "USD"),
    StoreFront("Web West", None, "US", "America/Los_Angeles", "USD"),
    StoreFront("銀座店", "東京", "JP", "Asia/Tokyo", "JPY"),
    StoreFront("Loja Paulista", "São Paulo", "BR", "America/Sao_Paulo", "BRL"),
    StoreFront("Thamel", "Kathmandu", "NP", "Asia/Kathmandu", "NPR"),
    StoreFront("St John's", "St John's", "CA", "America/St_Johns", "CAD"),
    StoreFront("Lord Howe Kiosk", "Lord Howe", "AU", "Australia/Lord_Howe", "AUD"),
    StoreFront("Kiritimati", None, "KI", "Pacific/Kiritimati", "AUD"),
    StoreFront("Oxford Street", "London", "GB", "Europe/London", "GBP"),
    StoreFront("Pago Pago", "Pago Pago", "AS", "Pacific/Pago_Pago", "USD"),
)

PROMOTIONS = (
    Promotion("Welcome10", "Promotion Welcome10", "10.00"),
    Promotion("SUMMER25", "Promotion SUMMER25", "25.00"),
    Promotion("black-friday", "Promotion black-friday", "33.33"),
    Promotion("Été15", "Promotion Été15", "15.00"),
    Promotion("FREE_100", "Promotion FREE_100", "100.00"),
    Promotion("vip~|5", "Promotion vip~|5", "5.00"),
    Promotion("Back2School", "Promotion Back2School", "12.50"),
    Promotion("ÖsterReich7", "Promotion ÖsterReich7", "7.00"),
)

_TAX_PERCENT = {"DE": 19, "US": 8, "JP": 10, "BR": 17, "NP": 13, "GB": 20}
_TAX_PERCENT_ELSEWHERE = 10
_LARGEST = 999_999_999_999
"""The largest price that decimal(12,2) holds, in hundredths."""


class Stress(Market):
    """See the module."""

    days = 730
    growth = 1
    shelf = 0
    locales = LOCALES
    fronts = STORES
    promotions = PROMOTIONS
    cancelled = 0.1
    returned = 0.1
    refunded = 0.1
    # About three quarters of a round are updates and deletes.
    weights: Mapping[str, int] = {
        "place_orders": 11,
        "pay_orders": 11,
        "ship_orders": 8,
        "deliver_orders": 8,
        "cancel_orders": 4,
        "return_orders": 7,
        "purge_orders": 9,
        "reprice_products": 9,
        "review_tiers": 9,
        "load_consents": 6,
        "normalise_addresses": 7,
        "recalculate_taxes": 7,
        "rebook_payments": 6,
        "receive_goods": 2,
    }

    def text(self, rng: Random, usual: str, longest: int) -> str:
        """`usual`, but one time in fifty an awkward text, cut to `longest` characters."""
        if rng.random() < 0.02:
            usual = AWKWARD[rng.randrange(len(AWKWARD))]
        return super().text(rng, usual, longest)

    def locale(self, rng: Random, customer_id: Key) -> Locale:
        """Anywhere."""
        return rng.choice(self.locales)

    def visits(
        self, rng: Random, customers: int, orders: int, until: datetime
    ) -> Iterator[tuple[Key | None, datetime]]:
        """At any time; half of them within the last ten days, so that rounds find open orders."""
        for _ in range(orders):
            hours = rng.randrange(24 * self.days) if rng.random() < 0.5 else rng.randrange(1, 240)
            signed_up = int(customers * (1 - (hours + 1) / (24 * self.days)))
            guest = rng.random() < 0.125
            customer_id = None if guest else rng.randrange(max(1, signed_up)) + 1
            microseconds = rng.randrange(3_600_000_000)
            yield customer_id, until - timedelta(hours=hours, microseconds=microseconds)

    def moves_to(self, rng: Random, country_code: str | None) -> Locale:
        """Anywhere."""
        return rng.choice(self.locales)

    def postal_code(self, rng: Random, city: City) -> str:
        """A number behind the city's code."""
        return f"{city.code}{rng.randrange(10, 1000):03d}"

    def telephone(self, rng: Random, place: Locale) -> str:
        """A telephone number, now and then typed in full-width digits."""
        number = f"+{rng.randrange(1, 99)} {rng.randrange(100, 999)} {rng.randrange(10**5, 10**7)}"
        if rng.random() < 0.02:
            return number.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
        return number

    def first_tier(self, rng: Random) -> str:
        """Mostly the lowest."""
        return TIERS[min(rng.randrange(8), 3) if rng.random() < 0.3 else 0]

    def next_tier(self, rng: Random, tier: str) -> str:
        """Any, the same one too."""
        return rng.choice(TIERS)

    def home(self, rng: Random, stores: Sequence[Store], place: Locale) -> Key | None:
        """Any store, or none."""
        return None if rng.random() < 0.3 else rng.choice(stores).store_id

    def store(self, rng: Random, stores: Sequence[Store], home: Key | None) -> Store:
        """Any store."""
        return rng.choice(stores)

    def categories(self, count: int) -> Sequence[tuple[str, Key | None]]:
        """`count` of them, five below each."""
        return [(f"Category {number}", number // 5 or None) for number in range(1, count + 1)]

    def category_name(self, rng: Random, category_id: Key) -> str:
        """A name that it did not have."""
        return f"Category {category_id} ({rng.randrange(1000)})"

    def store_name(self, rng: Random, store_id: Key) -> str:
        """A name that it did not have."""
        return f"Store {store_id} ({rng.randrange(1000)})"

    def promotion_name(self, rng: Random, code: str) -> str:
        """A name that it did not have."""
        return f"{code} {rng.randrange(100)}"

    def discount(self, rng: Random) -> int:
        """From 1 to 90 percent."""
        return rng.randrange(100, 9000)

    def product(self, rng: Random, product_id: Key, categories: Pool) -> Row:
        """Anything, now and then at the largest price or with a text that is stored out of line."""
        price = self._price(rng, product_id)
        name = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {product_id}"
        return {
            "name": self.text(rng, name, 200) or name,
            "category_id": categories.pick(rng) if rng.random() < 0.95 else None,
            "brand": rng.choice(BRANDS) if rng.random() < 0.9 else None,
            "unit_price": money(price),
            "unit_cost": self.cost(rng, price),
            "currency_code": rng.choice(("EUR", "USD", "JPY")),
            "weight_kg": f"{rng.randrange(40)}.{rng.randrange(1000):03d}" if price % 5 else None,
            "description": self._description(rng, product_id, name),
        }

    def _price(self, rng: Random, product_id: Key) -> int:
        if product_id % 500 == 13:
            return _LARGEST
        if product_id % 100 == 3:
            return rng.randrange(10**8, 10**10)
        return rng.randrange(1, 30_000)

    def _description(self, rng: Random, product_id: Key, name: str) -> str | None:
        if product_id % 4 == 0:
            return None
        if product_id % 50 == 7:
            # Incompressible and long: PostgreSQL stores it out of line, where updates leave it.
            return "".join(
                chr(rng.randrange(0x4E00, 0x9FA5)) for _ in range(rng.randrange(900, 2000))
            )
        return self.text(rng, f"{name}. Made to last.", 4000)

    def reprice(self, rng: Random, price: int) -> int:
        """Up or down by up to forty percent."""
        return max(1, min(price * rng.randrange(70, 140) // 100, _LARGEST))

    def cost(self, rng: Random, price: int) -> str | None:
        """Sixty percent of the price, as far as decimal(12,4) holds it."""
        cost = min(price * 6 // 10, 9_999_999_999)
        return f"{money(cost)}{rng.randrange(100):02d}" if price > 1 else None

    def choose(
        self, rng: Random, products: Pool, listed: Mapping[Key, Listing], store: Store
    ) -> Key:
        """Any product, whatever its list's currency."""
        return products.pick(rng)

    def lines(self, rng: Random) -> int:
        """One to six."""
        return min(rng.randrange(1, 7), rng.randrange(1, 7))

    def quantity(self, rng: Random, price: int) -> int:
        """A few; now and then as a wholesaler, or one less than none as a correction."""
        chance = rng.random()
        if chance < 0.004:
            return -1  # a correction line takes a piece back
        if chance < 0.01 and price < 10**8:
            return rng.randrange(100, 5000)  # a wholesaler
        return rng.randrange(2, 6) if chance < 0.4 else 1

    def tax_percent(self, country_code: str, category_id: Key | None) -> int:
        """The country's rate, whatever is sold."""
        return _TAX_PERCENT.get(country_code, _TAX_PERCENT_ELSEWHERE)

    def code(self, rng: Random, promotions: Sequence[tuple[str, str]]) -> tuple[str | None, str]:
        """One order in four has one, in some case, and one in fifty of them is of nobody."""
        if rng.random() >= 0.25:
            return None, "0.00"
        code, percent = rng.choice(promotions)
        typed = rng.choice((code, code.upper(), code.lower(), code.swapcase()))
        return typed + "?" if rng.random() < 0.02 else typed, percent
