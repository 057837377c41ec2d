"""What names, places and texts the shop knows, and how its awkward ones look.

Everything here is a plain value; the random choices among them are made by the caller's generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TIERS = ("bronze", "silver", "gold", "platinum")
METHODS = ("card", "paypal", "invoice", "voucher", "cash")
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


@dataclass(frozen=True)
class Locale:
    """A country's people and places; `tax_percent` is its rate on a line."""

    country_code: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str | None, str], ...]
    """City, region and the beginning of its postal codes."""
    tax_percent: int


LOCALES = (
    Locale(
        "DE",
        ("Anna", "Jürgen", "Björn", "Käthe", "Mia", "Lukas"),
        ("Müller", "Weiß", "Schäfer", "von der Heide", "Öztürk"),
        ("Hauptstraße", "Am Marktplatz", "Lindenweg"),
        (
            ("Köln", "Nordrhein-Westfalen", "50"),
            ("München", "Bayern", "80"),
            ("Berlin", None, "10"),
        ),
        19,
    ),
    Locale(
        "US",
        ("Olivia", "Liam", "José", "Emma", "Noah", "Zoë"),
        ("Smith", "O'Brien", "García", "Nguyen", "Johnson"),
        ("Main Street", "5th Avenue", "Elm Street"),
        (("New York", "NY", "100"), ("Los Angeles", "CA", "900"), ("Boise", "ID", "837")),
        8,
    ),
    Locale(
        "JP",
        ("花子", "太郎", "さくら", "蓮"),
        ("山田", "佐藤", "鈴木", "髙橋"),
        ("銀座", "道玄坂", "中央通り"),
        (("東京", "東京都", "10"), ("大阪", "大阪府", "53")),
        10,
    ),
    Locale(
        "BR",
        ("João", "Conceição", "Thaís", "Davi"),
        ("da Silva", "Araújo", "Gonçalves"),
        ("Avenida Paulista", "Rua São João"),
        (("São Paulo", "SP", "01"), ("Belém", "PA", "66")),
        17,
    ),
    Locale(
        "NP",
        ("सीता", "राम", "Sunita"),
        ("श्रेष्ठ", "Gurung", "Tamang"),
        ("Durbar Marg", "Thamel Marg"),
        (("Kathmandu", None, "44"), ("Pokhara", None, "33")),
        13,
    ),
    Locale(
        "GB",
        ("Siân", "Harry", "Aoife", "George"),
        ("Llewellyn", "Smith-Jones", "MacDonald"),
        ("High Street", "Station Road"),
        (("London", None, "SW1A "), ("Cardiff", "Wales", "CF10 ")),
        20,
    ),
)

# Time zones with half and quarter hours, on both sides of the date line, with and without summer
# time: the store's local day is the sales day.
STORES = (
    ("Köln Innenstadt", "Köln", "DE", "Europe/Berlin", "EUR"),
    ("Web Deutschland", None, "DE", "Europe/Berlin", "EUR"),
    ("Fifth Avenue", "New York", "US", "America/New_York", "USD"),
    ("Web West", None, "US", "America/Los_Angeles", "USD"),
    ("銀座店", "東京", "JP", "Asia/Tokyo", "JPY"),
    ("Loja Paulista", "São Paulo", "BR", "America/Sao_Paulo", "BRL"),
    ("Thamel", "Kathmandu", "NP", "Asia/Kathmandu", "NPR"),
    ("St John's", "St John's", "CA", "America/St_Johns", "CAD"),
    ("Lord Howe Kiosk", "Lord Howe", "AU", "Australia/Lord_Howe", "AUD"),
    ("Kiritimati", None, "KI", "Pacific/Kiritimati", "AUD"),
    ("Oxford Street", "London", "GB", "Europe/London", "GBP"),
    ("Pago Pago", "Pago Pago", "AS", "Pacific/Pago_Pago", "USD"),
)

# Code, discount in percent.
PROMOTIONS = (
    ("Welcome10", "10.00"),
    ("SUMMER25", "25.00"),
    ("black-friday", "33.33"),
    ("Été15", "15.00"),
    ("FREE_100", "100.00"),
    ("vip~|5", "5.00"),
    ("Back2School", "12.50"),
    ("ÖsterReich7", "7.00"),
)


def text(rng: Random, usual: str, longest: int) -> str:
    """`usual`, but one time in fifty an awkward text, cut to `longest` characters."""
    if rng.random() < 0.02:
        usual = AWKWARD[rng.randrange(len(AWKWARD))]
    return usual[:longest]


def as_typed(rng: Random, code: str) -> str:
    """A promotion code in the case that a customer happens to type it in."""
    return (code, code.upper(), code.lower(), code.swapcase())[rng.randrange(4)]
