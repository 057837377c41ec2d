"""A small random shop, written straight into a landing zone, and the sales that it knows it made.

Not the simulator of the playground: this one needs no database, delivers out of order and twice,
and does what a well-behaved shop does not (orders of unknown customers, stores without a known time
zone, quantities of zero, categories above themselves).
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from ingestion.settings import ConnectorName
from lakehouse.source.envelopes import Event, key_bytes, value_bytes
from lakehouse.source.positions import Place, PostgresPlace, SqlServerPlace
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Auckland", "Mars/Olympus_Mons")
CENT = Decimal("0.01")
Key = Any
Row = dict[str, Any]
Group = tuple[date, int, str]


@dataclass
class Shop:
    """The rows as they are, and the records that tell how they came to be so, in their order."""

    connector: ConnectorName
    random: Random
    now: datetime = datetime(2026, 2, 1)
    rows: dict[str, dict[Key, Row]] = field(default_factory=lambda: defaultdict(dict))
    buried: dict[Key, Row] = field(default_factory=dict)
    """Deleted orders with their last values."""
    costs: dict[Key, list[tuple[datetime, Row]]] = field(default_factory=lambda: defaultdict(list))
    """Products as each commit left them; a deleted one as it was."""
    records: list[tuple[str, Delivery]] = field(default_factory=list)
    _log: int = 1000
    _last_commit: int = 900
    _orders: int = 0

    def trade(self, transactions: int) -> None:
        """Commit about `transactions` random transactions."""
        activities = (
            [self._customer, self._order, self._order] * 2
            + [self._address, self._store, self._category, self._product, self._promotion]
            + [self._pay, self._progress, self._return, self._correct, self._delete, self._stock]
        )
        for _ in range(transactions):
            self.random.choice(activities)()

    def read_all(self) -> None:
        """Forget what happened and read every row, as the connector does when it first starts."""
        self.records.clear()
        self.buried.clear()
        self.costs.clear()
        for table, rows in self.rows.items():
            for row in rows.values():
                place = self._place(reads=True, order=0)
                self._record(table, Event("r", place, self._milliseconds, row, None, "true"), row)

    def rounds(self, count: int) -> Iterator[list[tuple[str, Delivery]]]:
        """The records in `count` parts: some come late, some twice, most parts are shuffled."""
        parts: list[list[tuple[str, Delivery]]] = [[] for _ in range(count)]
        for place, record in enumerate(self.records):
            part = place * count // len(self.records)
            if self.random.random() < 0.15:
                part = self.random.randrange(part, count)
            parts[part].append(record)
            if self.random.random() < 0.03:
                parts[self.random.randrange(part, count)].append(record)
        for records in parts:
            if self.random.random() < 0.7:
                self.random.shuffle(records)
            yield records

    # --- what happens -----------------------------------------------------------------------------

    def _customer(self) -> None:
        key = self.random.randint(1, 60)
        if key not in self.rows["customers"]:
            self._commit(("customers", "c", key, self._person(key)), self._first_address(key))
        elif self.random.random() < 0.15:
            again = self.random.random() < 0.5
            self._commit(
                ("customers", "d", key, {}),
                ("customers", "c", key, self._person(key)) if again else None,
            )
        else:
            change: Row = self.random.choice(
                [{"tier": self.random.choice(["silver", "gold"])}, {"phone": f"p{key}"},
                 {"email": None, "first_name": None, "erased_at": self.now}]
            )  # fmt: skip
            self._commit(("customers", "u", key, change))

    def _person(self, key: int) -> Row:
        return {
            "customer_id": key, "email": f"c{key}@example.com", "first_name": "Zoë",
            "last_name": "Ľ", "tier": "bronze", "marketing_consent": True,
            "created_at": self.now, "updated_at": self.now,
        }  # fmt: skip

    def _first_address(self, key: int) -> tuple[str, str, Key, Row] | None:
        if self.random.random() < 0.5:
            return None
        return ("customer_addresses", "c", (key, 1), self._place_to_live(key, 1, True))

    def _place_to_live(self, key: int, number: int, is_default: bool) -> Row:
        return {
            "customer_id": key, "address_no": number, "is_default": is_default,
            "city": self.random.choice(["Bonn", "Oslo"]), "country_code": "DE",
            "updated_at": self.now,
        }  # fmt: skip

    def _address(self) -> None:
        key, number = self.random.randint(1, 60), self.random.randint(1, 3)
        address = ("customer_addresses", "c", (key, number))
        if (key, number) not in self.rows["customer_addresses"]:
            self._commit((*address, self._place_to_live(key, number, self.random.random() < 0.5)))
        elif self.random.random() < 0.3:
            self._commit(("customer_addresses", "d", (key, number), {}))
        else:
            switched = [
                ("customer_addresses", "u", (key, other), {"is_default": other == number})
                for other in (1, 2, 3)
            ]
            self._commit(*switched)

    def _store(self) -> None:
        key = self.random.randint(1, 6)
        row = {
            "store_id": key, "name": f"Store {key}", "country_code": "DE",
            "time_zone": self.random.choice(ZONES), "currency_code": "EUR",
            "opened_on": date(2020, 1, 1), "updated_at": self.now,
        }  # fmt: skip
        self._commit(("stores", "c", key, row))

    def _category(self) -> None:
        key = self.random.randint(1, 9)
        row = {
            "category_id": key, "name": f"Category {self.random.randint(1, 3)}",
            "parent_category_id": self.random.choice([None, 1, 2, key]), "updated_at": self.now,
        }  # fmt: skip
        self._commit(("product_categories", "c", key, row))

    def _product(self) -> None:
        key = self.random.randint(1, 12)
        row = {
            "product_id": key, "sku": f"sku {key}", "name": f"Product {key}",
            "category_id": self.random.choice([None, *range(1, 11)]), "unit_price": self._amount(),
            "unit_cost": (None, Decimal("1.2345"), Decimal("-0.5"))[len(self.records) % 3],
            "currency_code": ("EUR", "SEK")[len(self.records) // 3 % 2], "is_discontinued": False,
            "updated_at": self.now,
        }  # fmt: skip
        self._commit(("products", self.random.choice("ccccd"), key, row))

    def _promotion(self) -> None:
        code = self.random.choice(["SUMMER", "Summer", "ÄPFEL"])
        row = {
            "promotion_code": code, "name": "Promotion", "discount_percent": Decimal("12.50"),
            "starts_at": self.now, "updated_at": self.now,
        }  # fmt: skip
        self._commit(("promotions", "c", code, row))

    def _order(self) -> None:
        self._orders += 1
        key = self._orders
        customer = self.random.choice([None, self.random.randint(1, 70)])
        row = {
            "order_id": key, "customer_id": customer, "store_id": self.random.randint(1, 7),
            "status": "placed", "currency_code": self.random.choice(["EUR", "SEK"]),
            "promotion_code": self.random.choice([None, "summer", "Unknown"]),
            "placed_at": self.now + timedelta(microseconds=self.random.choice([0, 999, -70_000])),
            "updated_at": self.now,
        }  # fmt: skip
        signs_up = customer is not None and customer not in self.rows["customers"]
        lines = [self._line(key, number) for number in range(1, self.random.randint(1, 4))]
        self._commit(
            ("customers", "c", customer, self._person(customer))
            if customer is not None and signs_up and self.random.random() < 0.5
            else None,
            ("orders", "c", key, row),
            *lines,
        )

    def _line(self, order: int, number: int) -> tuple[str, str, Key, Row]:
        row = {
            "order_id": order, "line_no": number, "product_id": self.random.randint(1, 13),
            "quantity": self.random.choice([1, 2, 3, 7, 0, -1]), "unit_price": self._amount(),
            "discount_amount": self._amount() / 10 // CENT * CENT, "tax_amount": self._amount(),
            "returned_quantity": 0, "updated_at": self.now,
        }  # fmt: skip
        return ("order_items", "c", (order, number), row)

    def _pay(self) -> None:
        if order := self._any("orders"):
            row = {
                "payment_id": order * 10 + self.random.randint(0, 2), "order_id": order,
                "kind": "payment", "method": "card", "amount": self._amount(),
                "currency_code": self.random.choice(["EUR", "SEK"]), "booked_at": self.now,
                "updated_at": self.now,
            }  # fmt: skip
            self._commit(
                ("orders", "u", order, {"status": "paid", "paid_at": self.now}),
                ("payments", "c", row["payment_id"], row),
            )

    def _progress(self) -> None:
        if order := self._any("orders"):
            status = self.random.choice(["shipped", "delivered", "cancelled"])
            self._commit(("orders", "u", order, {"status": status, f"{status}_at": self.now}))

    def _return(self) -> None:
        if line := self._any("order_items"):
            row = {
                "returned_quantity": self.random.randint(0, 3),
                "returned_at": self.random.choice([self.now, self.now, None]),
            }
            refund = {
                "payment_id": line[0] * 10 + 5, "order_id": line[0], "kind": "refund",
                "method": "card", "amount": -abs(self._amount()), "currency_code": "EUR",
                "booked_at": self.now, "updated_at": self.now,
            }  # fmt: skip
            self._commit(
                ("order_items", "u", line, row), ("payments", "c", refund["payment_id"], refund)
            )

    def _correct(self) -> None:
        """An order gets another customer, day, store or currency; a payment another order."""
        order, payment = self._any("orders"), self._any("payments")
        if order and payment:
            change: Row = self.random.choice(
                [{"customer_id": self.random.randint(1, 75)}, {"currency_code": "CHF"},
                 {"placed_at": self.now - timedelta(days=self.random.randint(0, 20))},
                 {"store_id": self.random.randint(1, 7)}]
            )  # fmt: skip
            self._commit(("orders", "u", order, change))
            self._commit(("payments", "u", payment, {"order_id": order}))

    def _delete(self) -> None:
        table = self.random.choice(["orders", "order_items", "payments"])
        if key := self._any(table):
            self._commit((table, "d", key, {}))

    def _stock(self) -> None:
        key = self.random.randint(1, 200)
        row = {
            "movement_id": key, "store_id": self.random.randint(1, 7),
            "product_id": self.random.randint(1, 13), "quantity": self.random.randint(-5, 5),
            "reason": "count", "moved_at": self.now,
        }  # fmt: skip
        self._commit(("inventory_movements", "c", key, row))

    def _any(self, table: str) -> Key:
        return self.random.choice(list(self.rows[table])) if self.rows[table] else None

    def _amount(self) -> Decimal:
        return Decimal(self.random.randint(-500, 20_000)) * CENT

    # --- how it is told ---------------------------------------------------------------------------

    def _commit(self, *changes: tuple[str, str, Key, Row] | None) -> None:
        """One transaction: (table, operation, key, changed values) a change."""
        self.now += timedelta(milliseconds=self.random.choice([0, 1, 700, 60_000, 7_200_000]))
        order = 0
        for table, asked, key, values in filter(None, changes):
            rows = self.rows[table]
            before = rows.get(key)
            if before is None and asked != "c":
                continue
            order += 1
            operation = "u" if asked == "c" and before is not None else asked
            after = (
                None if operation == "d" else self._complete(table, {**(before or {}), **values})
            )
            if after is None:
                self._bury(table, key)
            else:
                rows[key] = after
            place = self._place(reads=False, order=order)
            event = Event(operation, place, self._milliseconds, after, before)
            self._record(table, event, after or before or {})
        self._last_commit = self._log + 1
        self._log += 2

    def _bury(self, table: str, key: Key) -> None:
        row = self.rows[table].pop(key)
        if table == "orders":
            self.buried[key] = row

    @staticmethod
    def _complete(table: str, values: Row) -> Row:
        return {c.name: values.get(c.name) for c in DECLARATIONS.table(table).columns}

    def _place(self, *, reads: bool, order: int) -> Place:
        self._log += 0 if reads else self.random.randint(1, 9)
        if self.connector == "sqlserver":
            commit = self._last_commit if reads else self._last_commit + 1
            return SqlServerPlace(commit, *((None, None) if reads else (self._log, order)))
        return PostgresPlace(self._log, self._last_commit, None if reads else order)

    def _record(self, table: str, event: Event, row: Row) -> None:
        if table == "products":
            committed = datetime(1970, 1, 1) + timedelta(milliseconds=event.committed_ms)
            self.costs[row["product_id"]].append((committed, row))
        declared = DECLARATIONS.table(table)
        prefix = DECLARATIONS.connectors[self.connector].topic_prefix
        key = key_bytes(row, declared, self.connector)
        value = value_bytes(event, declared, self.connector, prefix)
        partition = zlib.crc32(key) % declared.partitions
        values = [value, None] if event.op == "d" else [value]
        self.records += [
            (table, Delivery(key, told, partition, event.committed_ms + 400)) for told in values
        ]

    @property
    def _milliseconds(self) -> int:
        return (self.now - datetime(1970, 1, 1)) // timedelta(milliseconds=1)


def land(zone: LandingZone, records: Sequence[tuple[str, Delivery]]) -> None:
    """Land `records` as one batch per table."""
    by_table: dict[str, list[Delivery]] = defaultdict(list)
    for table, delivery in records:
        by_table[table].append(delivery)
    for table, deliveries in by_table.items():
        zone.land(DECLARATIONS.table(table), deliveries)


# --- docs/metrics.md, "Daily sales", from the shop's own rows -------------------------------------

MEASURES = (
    "order_count", "unit_count", "gross_amount", "discount_amount", "tax_amount", "net_amount",
    "cancelled_order_count", "cancelled_amount", "returned_unit_count", "returned_amount",
    "revenue_amount", "costed_revenue_amount", "cost_amount", "paid_amount", "refunded_amount",
)  # fmt: skip


def daily_sales(shop: Shop) -> dict[Group, dict[str, Decimal]]:
    """The groups of agg_daily_sales with their measures."""
    sales: dict[Group, dict[str, Decimal]] = defaultdict(
        lambda: dict.fromkeys(MEASURES, Decimal(0))
    )
    orders = shop.rows["orders"]
    net_of_order: dict[Key, Decimal] = defaultdict(Decimal)
    for line in shop.rows["order_items"].values():
        if (order := orders.get(line["order_id"])) is None:
            continue
        gross = line["quantity"] * line["unit_price"]
        net = gross - line["discount_amount"] + line["tax_amount"]
        net_of_order[order["order_id"]] += net
        sold = sales[_group(shop, order, order["placed_at"], order["currency_code"])]
        sold["unit_count"] += line["quantity"]
        sold["gross_amount"] += gross
        sold["discount_amount"] += line["discount_amount"]
        sold["tax_amount"] += line["tax_amount"]
        sold["net_amount"] += net
        revenue = gross - line["discount_amount"]
        cost = _cost(shop, line, order)
        _earn(sold, 1, revenue, cost, line["quantity"])
        cancelled: Group | None = None
        if order["cancelled_at"]:
            cancelled = _group(shop, order, order["cancelled_at"], order["currency_code"])
            _earn(sales[cancelled], -1, revenue, cost, line["quantity"])
        if back := line["returned_quantity"]:
            moment = line["returned_at"] or order["placed_at"]
            back_on = _group(shop, order, moment, order["currency_code"])
            returned, part_of_it = sales[back_on], _part(revenue, back, line["quantity"])
            pieces = back if line["quantity"] else 0
            _earn(returned, -1, part_of_it, cost, pieces)
            if cancelled:
                _earn(sales[max(back_on, cancelled)], 1, part_of_it, cost, pieces)
            returned["returned_unit_count"] += back
            returned["returned_amount"] += _part(net, back, line["quantity"])
    for key, order in orders.items():
        placed = _group(shop, order, order["placed_at"], order["currency_code"])
        sales[placed]["order_count"] += 1
        if order["cancelled_at"]:
            day = sales[_group(shop, order, order["cancelled_at"], order["currency_code"])]
            day["cancelled_order_count"] += 1
            day["cancelled_amount"] += net_of_order[key]
    for payment in shop.rows["payments"].values():
        if order := _known_order(shop, payment["order_id"]):
            booked = sales[_group(shop, order, payment["booked_at"], payment["currency_code"])]
            is_refund = payment["kind"] == "refund"
            booked["refunded_amount" if is_refund else "paid_amount"] += (
                -payment["amount"] if is_refund else payment["amount"]
            )
    return dict(sales)


def _earn(
    day: dict[str, Decimal], sign: int, revenue: Decimal, cost: Decimal | None, pieces: int
) -> None:
    day["revenue_amount"] += sign * revenue
    if cost is not None:
        day["costed_revenue_amount"] += sign * revenue
        day["cost_amount"] += sign * pieces * cost


def _cost(shop: Shop, line: Row, order: Row) -> Decimal | None:
    """What a piece cost when the order was placed, or as far back as is known."""
    known = shop.costs[line["product_id"]]
    placed = order["placed_at"].replace(microsecond=order["placed_at"].microsecond // 1000 * 1000)
    moments = [committed for committed, _ in known]
    until = placed if moments and moments[0] <= placed else min(moments, default=placed)
    then = [row for committed, row in known if committed <= until]
    if not then or then[-1]["currency_code"] != order["currency_code"]:
        return None
    cost: Decimal | None = then[-1]["unit_cost"]
    return cost


def _known_order(shop: Shop, key: Key) -> Row | None:
    """The order of a payment: money that moved stays booked when its order is deleted."""
    return shop.rows["orders"].get(key) or shop.buried.get(key)


def _part(net: Decimal, pieces: int, quantity: int) -> Decimal:
    if quantity == 0:
        return Decimal(0)
    return (net * pieces / quantity).quantize(CENT, ROUND_HALF_UP)


def _group(shop: Shop, order: Row, moment: datetime, currency: str) -> Group:
    store = shop.rows["stores"].get(order["store_id"])
    zone = "UTC" if store is None or store["time_zone"].startswith("Mars") else store["time_zone"]
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return local.date(), order["store_id"], currency
