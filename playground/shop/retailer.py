"""A retailer as there are many: six stores in three countries, food and what a household needs.

Sizes of baskets, prices of lines, weekdays and the days between visits are shaped after the
households of completejourney (a grocer's data by Dunnhumby, a package on PyPI): a test holds their
percentiles against its.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True)
class _Category:
    """A category, its department, a name that it gets later, and what is in it at which price."""

    name: str
    later: str
    department: str
    items: tuple[tuple[str, int], ...]
    is_food: bool = True


_DEPARTMENTS = ("Fresh", "Pantry", "Drinks", "Household", "Care")
_CATEGORIES = (
    _Category(
        "Fruit",
        "Fruit & Berries",
        "Fresh",
        (("Bananas", 79), ("Apples", 169), ("Lemons", 49), ("Blueberries", 219), ("Grapes", 199)),
    ),
    _Category(
        "Vegetables",
        "Vegetables & Salad",
        "Fresh",
        (("Tomatoes", 149), ("Cucumber", 69), ("Carrots", 89), ("Potatoes", 169), ("Salad", 109)),
    ),
    _Category(
        "Dairy",
        "Dairy & Eggs",
        "Fresh",
        (("Milk", 99), ("Butter", 189), ("Yoghurt", 49), ("Eggs", 209), ("Gouda", 189)),
    ),
    _Category(
        "Bakery",
        "Bread & Bakery",
        "Fresh",
        (("Rye Bread", 169), ("Rolls", 89), ("Croissants", 129), ("Bagels", 159)),
    ),
    _Category(
        "Meat",
        "Meat & Poultry",
        "Fresh",
        (("Chicken Breast", 479), ("Minced Beef", 389), ("Ham", 199), ("Sausages", 259)),
    ),
    _Category(
        "Pasta & Rice",
        "Pasta, Rice & Grains",
        "Pantry",
        (("Spaghetti", 89), ("Penne", 89), ("Basmati Rice", 199), ("Couscous", 159)),
    ),
    _Category(
        "Tins & Sauces",
        "Tins, Sauces & Oils",
        "Pantry",
        (("Peeled Tomatoes", 79), ("Chickpeas", 69), ("Olive Oil", 479), ("Pesto", 169)),
    ),
    _Category(
        "Breakfast",
        "Breakfast & Spreads",
        "Pantry",
        (("Muesli", 219), ("Oats", 89), ("Honey", 329), ("Jam", 159)),
    ),
    _Category(
        "Sweets",
        "Sweets & Snacks",
        "Pantry",
        (("Chocolate", 109), ("Biscuits", 139), ("Crisps", 159), ("Nuts", 239), ("Gum", 59)),
    ),
    _Category(
        "Water & Juice",
        "Soft Drinks",
        "Drinks",
        (("Mineral Water", 59), ("Orange Juice", 199), ("Lemonade", 89), ("Iced Tea", 129)),
    ),
    _Category(
        "Coffee & Tea",
        "Hot Drinks",
        "Drinks",
        (("Coffee", 429), ("Espresso Beans", 779), ("Green Tea", 169), ("Cocoa", 199)),
    ),
    _Category(
        "Wine & Beer",
        "Wine, Beer & Spirits",
        "Drinks",
        (("Pilsner", 89), ("Riesling", 479), ("Rioja", 519), ("Cider", 149)),
        is_food=False,
    ),
    _Category(
        "Laundry & Cleaning",
        "Cleaning",
        "Household",
        (("Detergent", 389), ("Sponges", 89), ("Glass Cleaner", 159), ("Bin Liners", 129)),
        is_food=False,
    ),
    _Category(
        "Paper",
        "Paper & Foil",
        "Household",
        (("Kitchen Roll", 169), ("Toilet Paper", 289), ("Napkins", 89), ("Foil", 139)),
        is_food=False,
    ),
    _Category(
        "Kitchen",
        "Kitchen & Table",
        "Household",
        (("Pan", 1299), ("Mug", 349), ("Tea Towel", 259), ("Storage Jar", 299)),
        is_food=False,
    ),
    _Category(
        "Body Care",
        "Health & Body Care",
        "Care",
        (("Soap", 99), ("Shampoo", 219), ("Toothpaste", 99), ("Hand Cream", 239)),
        is_food=False,
    ),
)
_ITEMS = tuple(
    (len(_DEPARTMENTS) + number, name, price)
    for number, category in enumerate(_CATEGORIES, start=1)
    for name, price in category.items
)
_SIZES = (
    ("", 100),
    ("Large", 140),
    ("Family Pack", 190),
    ("Organic", 130),
    ("Basic", 75),
    ("Twin Pack", 170),
)
_BRANDS = ("Nordlicht", "Hearth & Field", "Bellweather", "Sonnenhof", "Blue Heron", "Tilia")
CURRENCIES = {"DE": "EUR", "GB": "GBP", "US": "USD"}
# Reduced rate for food, and the one for all else.
_TAX_PERCENT = {"DE": (7, 19), "GB": (0, 20), "US": (0, 8)}
_DIALS = {"DE": "+49 221", "GB": "+44 161", "US": "+1 212"}

LOCALES = (
    Locale(
        "DE",
        ("Anna", "Jürgen", "Björn", "Käthe", "Mia", "Lukas", "Emine", "Paul", "Lena", "Jonas"),
        ("Müller", "Weiß", "Schäfer", "von der Heide", "Öztürk", "Becker", "Vogel", "Krüger"),
        ("Hauptstraße", "Am Marktplatz", "Lindenweg", "Bahnhofstraße", "Gartenweg"),
        (
            City("Köln", "Nordrhein-Westfalen", "50"),
            City("Bonn", "Nordrhein-Westfalen", "53"),
            City("Düsseldorf", "Nordrhein-Westfalen", "40"),
        ),
    ),
    Locale(
        "GB",
        ("Siân", "Harry", "Aoife", "George", "Priya", "Amelia", "Oliver", "Grace"),
        ("Llewellyn", "Smith-Jones", "MacDonald", "Patel", "Taylor", "O'Connor", "Walker"),
        ("High Street", "Station Road", "Church Lane", "Mill Lane"),
        (
            City("Manchester", "Greater Manchester", "M"),
            City("Stockport", "Greater Manchester", "SK"),
            City("Bolton", "Greater Manchester", "BL"),
        ),
    ),
    Locale(
        "US",
        ("Olivia", "Liam", "José", "Emma", "Noah", "Zoë", "Ava", "Ethan", "Maya"),
        ("Smith", "O'Brien", "García", "Nguyen", "Johnson", "Williams", "Kim"),
        ("Main Street", "5th Avenue", "Elm Street", "Broadway"),
        (
            City("New York", "NY", "100"),
            City("Brooklyn", "NY", "112"),
            City("Hoboken", "NJ", "070"),
        ),
    ),
)
STORES = (
    StoreFront("Köln Innenstadt", "Köln", "DE", "Europe/Berlin", "EUR"),
    StoreFront("Bonn Altstadt", "Bonn", "DE", "Europe/Berlin", "EUR"),
    StoreFront("Manchester Arndale", "Manchester", "GB", "Europe/London", "GBP"),
    StoreFront("Online UK", None, "GB", "Europe/London", "GBP"),
    StoreFront("Fifth Avenue", "New York", "US", "America/New_York", "USD"),
    StoreFront("Online US", None, "US", "America/New_York", "USD"),
)
_LATER = {1: "Köln Neumarkt", 2: "Bonn Markt", 3: "Manchester Central", 5: "Midtown"}
_ZONES = {front.country_code: ZoneInfo(front.time_zone) for front in STORES}
PROMOTIONS = (
    Promotion("WELCOME10", "Welcome", "10.00"),
    Promotion("SPRING5", "Spring cleaning", "5.00"),
    Promotion("SUMMER15", "Summer barbecue", "15.00"),
    Promotion("FRIENDS10", "Friends and family", "10.00"),
    Promotion("WEEKEND5", "Weekend saver", "5.00"),
)

# How busy the days are, Monday first, the months, January first, and the hours from eight o'clock.
_WEEKDAYS = (0.83, 0.81, 0.79, 0.81, 0.82, 0.96, 1.0)
_MONTHS = (0.8, 0.8, 0.85, 0.88, 0.9, 0.92, 0.9, 0.85, 0.85, 0.88, 0.95, 1.0)
_HOURS = (3, 4, 6, 7, 7, 6, 6, 7, 9, 11, 12, 10, 7, 4)


class Retailer(Market):
    """See the module."""

    days = 365
    growth = 2
    shelf = 120
    locales = LOCALES
    fronts = STORES
    promotions = PROMOTIONS
    cancelled = 0.015
    returned = 0.006
    refunded = 0.02
    weights: Mapping[str, int] = {
        # Few orders: a round is some seconds of a day, not the days that its changes would take.
        "place_orders": 6,
        "pay_orders": 3,
        "ship_orders": 3,
        "deliver_orders": 3,
        "cancel_orders": 1,
        "return_orders": 1,
        "purge_orders": 1,
        "reprice_products": 24,
        "review_tiers": 22,
        "load_consents": 20,
        "normalise_addresses": 14,
        "rebook_payments": 4,
        "receive_goods": 5,
    }

    def locale(self, rng: Random, customer_id: Key) -> Locale:
        """As many customers in each country."""
        return self.locales[customer_id % len(self.locales)]

    def visits(
        self, rng: Random, customers: int, orders: int, until: datetime
    ) -> Iterator[tuple[Key | None, datetime]]:
        """Customers come every few days for some months; one order in ten is a guest's."""
        opened = until - timedelta(days=self.days)
        found: list[tuple[datetime, Key | None]] = []
        who = list(range(1, customers + 1))
        while len(found) < orders:
            rng.shuffle(who)
            for customer_id in who:
                zone = _ZONES[self.locale(rng, customer_id).country_code]
                at = opened + (until - opened) * (customer_id / (customers + 1)) ** self.growth
                stays = until if rng.random() < 0.1 else at + _stay(rng)
                while (at := _next_visit(rng, at, zone)) < min(stays, until):
                    found.append((at, customer_id))
                    guest = _next_visit(rng, opened + rng.random() * (until - opened), _ZONES["GB"])
                    # At an hour at which no country sleeps.
                    if rng.random() < 0.25 and guest < until and 14 <= guest.hour < 21:
                        found.append((guest, None))
                if len(found) >= orders:
                    break
        for at, visitor in sorted(found[:orders], key=lambda visit: visit[0]):
            yield visitor, at

    def moves_to(self, rng: Random, country_code: str | None) -> Locale:
        """Within the country."""
        return next((x for x in self.locales if x.country_code == country_code), self.locales[0])

    def postal_code(self, rng: Random, city: City) -> str:
        """As the country writes them."""
        if city.code.isalpha():
            return (
                f"{city.code}{rng.randrange(1, 30)} {rng.randrange(1, 10)}{rng.choice('ABDEFHJL')}X"
            )
        return f"{city.code}{rng.randrange(1, 10 ** (5 - len(city.code))):0{5 - len(city.code)}d}"

    def telephone(self, rng: Random, place: Locale) -> str:
        """A number of the country."""
        return f"{_DIALS[place.country_code]} {rng.randrange(2_000_000, 9_999_999)}"

    def first_tier(self, rng: Random) -> str:
        """Everybody begins below."""
        return TIERS[0]

    def next_tier(self, rng: Random, tier: str) -> str:
        """One up or down, mostly the same."""
        steps = rng.choices((-1, 0, 1), (3, 6, 4 if tier == TIERS[0] else 1))[0]
        return TIERS[max(0, min(TIERS.index(tier) + steps, len(TIERS) - 1))]

    def home(self, rng: Random, stores: Sequence[Store], place: Locale) -> Key | None:
        """One of the country's."""
        return rng.choice([x for x in stores if x.country_code == place.country_code]).store_id

    def store(self, rng: Random, stores: Sequence[Store], home: Key | None) -> Store:
        """Mostly the preferred one, else another of the country; a guest's is any."""
        preferred = next((store for store in stores if store.store_id == home), None)
        if preferred is None:
            return rng.choice(stores)
        if rng.random() < 0.85:
            return preferred
        return rng.choice([x for x in stores if x.country_code == preferred.country_code])

    def categories(self, count: int) -> Sequence[tuple[str, Key | None]]:
        """The departments, then what belongs to them: always the same."""
        return [(name, None) for name in _DEPARTMENTS] + [
            (category.name, _DEPARTMENTS.index(category.department) + 1) for category in _CATEGORIES
        ]

    def category_name(self, rng: Random, category_id: Key) -> str:
        """The one or the other."""
        if category_id <= len(_DEPARTMENTS):
            return _DEPARTMENTS[category_id - 1]
        category = _CATEGORIES[category_id - len(_DEPARTMENTS) - 1]
        return rng.choice((category.name, category.later))

    def store_name(self, rng: Random, store_id: Key) -> str:
        """The first one, or the later."""
        name = self.fronts[store_id - 1].name
        return rng.choice((name, _LATER.get(store_id, name)))

    def promotion_name(self, rng: Random, code: str) -> str:
        """The first one, or of members."""
        name = next((x.name for x in self.promotions if x.code == code), code)
        return rng.choice((name, f"{name} for members"))

    def discount(self, rng: Random) -> int:
        """A round figure."""
        return rng.choice((500, 1000, 1500, 2000))

    def product(self, rng: Random, product_id: Key, categories: Pool) -> Row:
        """Each thing in each country, then in the next size."""
        country, number = product_id % len(CURRENCIES), product_id // len(CURRENCIES)
        category_id, item, usual = _ITEMS[number % len(_ITEMS)]
        size, percent = _SIZES[number // len(_ITEMS) % len(_SIZES)]
        price = _ending_in_nine(usual * percent * rng.randrange(88, 113) // 10_000)
        brand = rng.choice(_BRANDS)
        return {
            "name": " ".join(filter(None, (brand, item, size))),
            "category_id": category_id,
            "brand": brand,
            "unit_price": money(price),
            "unit_cost": self.cost(rng, price),
            "currency_code": list(CURRENCIES.values())[country],
            "weight_kg": f"{rng.randrange(3)}.{rng.randrange(50, 1000):03d}",
            "description": f"{item} by {brand}.",
        }

    def reprice(self, rng: Random, price: int) -> int:
        """Some percent up or down, rather up."""
        return _ending_in_nine(price * rng.randrange(93, 111) // 100)

    def cost(self, rng: Random, price: int) -> str | None:
        """Between 55 and 80 percent of the price."""
        cost = price * rng.randrange(5500, 8000) // 100
        return f"{cost // 10_000}.{cost % 10_000:04d}"

    def choose(
        self, rng: Random, products: Pool, listed: Mapping[Key, Listing], store: Store
    ) -> Key:
        """One that the country's shelves have; the usual sizes sell best."""
        while True:
            product_id = products.pick(rng, lean=1.6)
            if listed[product_id].currency_code == store.currency_code:
                return product_id

    def lines(self, rng: Random) -> int:
        """Half of the baskets have five or fewer, one in ten two dozen."""
        return max(1, min(60, int(rng.lognormvariate(math.log(5.4), 1.2))))

    def quantity(self, rng: Random, price: int) -> int:
        """Mostly one."""
        return rng.choices((1, 2, 3, 4, 6), (82, 12, 3, 2, 1))[0]

    def tax_percent(self, country_code: str, category_id: Key | None) -> int:
        """Less for food."""
        number = (category_id or 0) - len(_DEPARTMENTS) - 1
        is_food = 0 <= number < len(_CATEGORIES) and _CATEGORIES[number].is_food
        return _TAX_PERCENT[country_code][0 if is_food else 1]

    def code(self, rng: Random, promotions: Sequence[tuple[str, str]]) -> tuple[str | None, str]:
        """One order in eight has one; few are mistyped, which nobody notices."""
        if rng.random() >= 0.125:
            return None, "0.00"
        code, percent = rng.choice(promotions)
        typed = rng.choice((code, code, code, code.lower(), code.capitalize()))
        return (f"{typed}0" if rng.random() < 0.01 else typed), percent


def _stay(rng: Random) -> timedelta:
    """How long a customer comes before another shop is nearer."""
    return timedelta(days=rng.expovariate(1 / 40))


def _next_visit(rng: Random, at: datetime, zone: ZoneInfo) -> datetime:
    """Some days after `at` (UTC), rather on a busy day of the zone, at one of its hours."""
    day = at.replace(tzinfo=UTC).astimezone(zone)
    day += timedelta(days=max(1, round(rng.lognormvariate(math.log(2.7), 1.35))))
    while rng.random() > _WEEKDAYS[day.weekday()] * _MONTHS[day.month - 1]:
        day += timedelta(days=1)
    (hour,) = rng.choices(range(8, 8 + len(_HOURS)), _HOURS)
    local = day.replace(hour=hour, minute=0, second=0, microsecond=0)
    local += timedelta(microseconds=rng.randrange(3_600_000_000))
    return local.astimezone(UTC).replace(tzinfo=None)


def _ending_in_nine(price: int) -> int:
    """The nearest price that looks like one, in hundredths."""
    return max(9, (price + 5) // 10 * 10 - 1)
