"""Random logs of customers, their addresses and orders, and the star that follows from them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ingestion.declarations import Table
from ingestion.settings import ConnectorName
from tests.kit import reference
from tests.kit.batches import SPACING, rekeyed
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery, LandingZone
from tests.kit.logs import as_page, random_logs
from tests.kit.reference import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    Change,
    CustomerVersion,
    HistoryRow,
    Record,
)
from tests.kit.warehouse import (
    KILLED,
    Warehouse,
)
from tests.kit.worked import WorkedHistory

CUSTOMERS = DECLARATIONS.table("customers")
ADDRESSES = DECLARATIONS.table("customer_addresses")
ORDERS = DECLARATIONS.table("orders")
TABLES = (CUSTOMERS, ADDRESSES, ORDERS)
NODES = (
    *("customers__log", "orders__log", "customers_history", "orders_history"),
    *("dim_customer", "dim_store"),
)
Line = tuple[Any, ...]


@dataclass
class Stars:
    """Bundles of logs, one of each table a number, with what has been landed of them."""

    bundles: Sequence[Sequence[WorkedHistory]]
    warehouse: Warehouse
    landed: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list), init=False)
    zone: LandingZone = field(init=False)

    def __post_init__(self) -> None:
        connector = self.warehouse.connector
        self.zone = LandingZone(self.warehouse.landing, DECLARATIONS, connector)

    @property
    def runs(self) -> list[int]:
        return sorted(
            {run for bundle in self.bundles for log in bundle for run, _ in log.deliveries()}
        )

    def land(self, run: int) -> None:
        for table in TABLES:
            self.landed[table.name] += self.zone.land(table, self._deliveries(table, run))

    def _deliveries(self, table: Table, run: int) -> list[Delivery]:
        return [
            delivery
            for number, bundle in enumerate(self.bundles)
            for log in bundle
            if log.table is table
            for asked, delivery in log.deliveries(rekeyed(number))
            if asked == run
        ]

    def build(self, *nodes: str) -> None:
        self.warehouse.build("--select", *(nodes or ("+fct_orders",)))

    def changes(self, table: Table) -> list[Change]:
        source = self.bundles[0][0].source
        verdicts = (reference.judge(r, table, source) for r in self.landed[table.name])
        return [verdict for verdict in verdicts if isinstance(verdict, Change)]


def with_customers_of(log: WorkedHistory, number: int) -> WorkedHistory:
    """The orders with the keys that the customers of bundle `number` have in the warehouse."""
    base = number * SPACING + SPACING // 2

    def moved(cell: str) -> str:
        return re.sub(r"customer_id=(\d+)", lambda key: f"customer_id={base + int(key[1])}", cell)

    lines = tuple(
        {**line, "row": moved(line["row"]), "before": moved(line["before"])} for line in log.log
    )
    return replace(log, log=lines)


def random_bundles(connector: ConnectorName, number: int, of: int) -> list[list[WorkedHistory]]:
    customers, addresses, orders = (
        random_logs(connector, number * 10 + position, of, [table.name])
        for position, table in enumerate(TABLES)
    )
    return [
        [customer, address, with_customers_of(order, place)]
        for place, (customer, address, order) in enumerate(
            zip(customers, addresses, orders, strict=True)
        )
    ]


# --- What has to be there -------------------------------------------------------------------------


def expected_versions(stars: Stars) -> dict[Any, list[CustomerVersion]]:
    customers = reference.history(stars.changes(CUSTOMERS))
    addresses: dict[Any, list[list[HistoryRow]]] = defaultdict(list)
    for key, rows in reference.history(stars.changes(ADDRESSES)).items():
        addresses[key[0]].append(rows)
    return {
        key: reference.customer_versions(key, rows, addresses[key], CUSTOMERS, ADDRESSES)
        for (key,), rows in customers.items()
    }


def column(row: reference.Row | None, name: str, table: Table) -> Any:
    names = [column.name for column in table.landed_columns]
    return None if row is None else row[names.index(name)]


def expected_dimension(stars: Stars) -> set[Line]:
    dimension = expected_versions(stars)
    newest = {
        key: reference.current_row(rows).row
        for (key,), rows in reference.history(stars.changes(CUSTOMERS)).items()
    }
    lines: set[Line] = {
        (
            key,
            version.customer_key,
            "member",
            *(column(newest[key], name, CUSTOMERS) for name in ("phone", "created_at")),
            *(column(version.customer, name, CUSTOMERS) for name in ("email", "tier")),
            *(column(version.address, name, ADDRESSES) for name in ("line_1", "city")),
            version.valid_from,
            version.valid_to,
            version.valid_to == END_OF_TIME,
            version.is_deleted,
        )
        for key, versions in dimension.items()
        for version in versions
    }
    named = {column(change.row, "customer_id", ORDERS) for change in stars.changes(ORDERS)}
    for key in named - {None} - {key for key, versions in dimension.items() if versions}:
        lines.add((key, None, "inferred", *[None] * 6, BEGINNING_OF_TIME, END_OF_TIME, True, False))
    lines.add((None, None, "unknown", *[None] * 6, BEGINNING_OF_TIME, END_OF_TIME, True, False))
    return lines


def expected_stores(stars: Stars) -> set[Line]:
    """The stores that any change of an order ever named, none of which has a row of its own."""
    named = {column(change.row, "store_id", ORDERS) for change in stars.changes(ORDERS)} - {None}
    return {
        (key, kind, md5(str(key or kind).encode(), usedforsecurity=False).hexdigest())
        for key, kind in [(None, "unknown"), *((key, "inferred") for key in named)]
    }


def expected_orders(stars: Stars) -> set[Line]:
    dimension = expected_versions(stars)
    lines: set[Line] = set()
    for (order,), rows in reference.history(stars.changes(ORDERS)).items():
        current = reference.current_row(rows)
        customer = column(current.row, "customer_id", ORDERS)
        placed_at: datetime = column(current.row, "placed_at", ORDERS)
        member = reference.bind(customer, placed_at, dimension)
        if isinstance(member, CustomerVersion):
            told: Line = ("member", member.customer_key)
        else:
            told = (member.split()[0], None)
        lines.add((order, customer, current.is_deleted, current.position, *told))
    return lines


# --- What is there --------------------------------------------------------------------------------


def found_dimension(warehouse: Warehouse) -> set[Line]:
    lines = warehouse.rows(
        """
        select
            customer_id,
            case when member_kind = 'member' then customer_key end,
            member_kind, phone, signed_up_at, email, tier, address_line_1, city, valid_from,
            valid_to, is_current, is_deleted
        from marts.dim_customer
        """
    )
    assert len(set(lines)) == len(lines)
    assert len({line[:2] for line in lines}) == len(lines), "a customer_key has two versions"
    return set(lines)


def found_stores(warehouse: Warehouse) -> set[Line]:
    lines = warehouse.rows("select store_id, member_kind, store_key from marts.dim_store")
    assert len(set(lines)) == len(lines)
    return set(lines)


def found_orders(warehouse: Warehouse) -> set[Line]:
    lines = warehouse.rows(
        """
        select
            orders.order_id, orders.customer_id, orders.is_deleted, orders._cdc_position,
            customers.member_kind,
            case when customers.member_kind = 'member' then customers.customer_key end
        from marts.fct_orders as orders
        inner join marts.dim_customer as customers on orders.customer_key = customers.customer_key
        inner join marts.dim_store as stores on orders.store_key = stores.store_key
        """
    )
    assert len(set(lines)) == len(lines)
    return set(lines)


# --- The proof ------------------------------------------------------------------------------------


def in_folder(parsed: Warehouse, folder: Path) -> Warehouse:
    return replace(parsed, landing=folder / "landing", file=folder / "warehouse.duckdb")


def build_somehow(stars: Stars, random: Random) -> str:
    """Build what has been landed, last of all in full; returns how."""
    way = random.choice(["plainly", "selected", "killed", "refreshed"])
    if stars.warehouse.file.exists():
        node = random.choice([*NODES, "fct_orders"])
        if way == "selected":
            stars.build(node)
        elif way == "refreshed":
            stars.warehouse.build("--full-refresh", "--select", node)
        elif way == "killed":
            code = stars.warehouse.killed_build(
                "--select", "+fct_orders", after_queries=random.randint(10, 150)
            )
            assert code in (0, KILLED)
        way = f"{way} {node}"
    stars.build()
    return way


def check(stars: Stars, way: str) -> None:
    for what, expected, found in (
        ("dim_customer", expected_dimension(stars), found_dimension(stars.warehouse)),
        ("fct_orders", expected_orders(stars), found_orders(stars.warehouse)),
        ("dim_store", expected_stores(stars), found_stores(stars.warehouse)),
    ):
        if expected == found:
            continue
        keys = {line[0] // SPACING for line in expected ^ found if line[0] is not None}
        number = min(keys, key=lambda key: sum(len(log.log) for log in stars.bundles[key]))
        pages = "\n".join(as_page(log) for log in stars.bundles[number])
        missing = [line for line in expected - found if line[0] and line[0] // SPACING == number]
        too_much = [line for line in found - expected if line[0] and line[0] // SPACING == number]
        pytest.fail(
            f"{what} is wrong for {len(keys)} bundles ({way}), one of them:\n{pages}\n"
            f"missing: {missing}\ntoo much: {too_much}"
        )


def run(stars: Stars, random: Random) -> None:
    for number in stars.runs:
        stars.land(number)
        way = build_somehow(stars, random)
        check(stars, f"run {number}, {way}")
    once = stars.warehouse.moved_to(stars.warehouse.file.parent / "once")
    once.build("--select", "+fct_orders")
    assert found_dimension(once) == found_dimension(stars.warehouse)
    assert found_orders(once) == found_orders(stars.warehouse)
