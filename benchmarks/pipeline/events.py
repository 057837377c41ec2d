"""A shop's change events by the million, as SQL Server's connector writes them, made in memory.

Rows are the playground's (`playground.shop`), and so is their layout as records; what is missing
here is the database between them. Order after order is placed, paid, shipped and delivered, each
step a commit; now and then a customer moves up a tier, a price changes, a line is returned. Kafka's
own topics of Debezium (transactions, heartbeats, structures) are left out: no model reads them.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from random import Random
from typing import Self

from ingestion.declarations import load
from playground.services.capture import SALT
from playground.shop import rows
from playground.shop.books import Books, money
from playground.shop.market import TIERS
from playground.shop.opening import Scale, open_shop
from playground.shop.sqlserver.connector import Change, Connector, Progress, Transaction
from playground.shop.sqlserver.layout import Record
from playground.shop.statements import Row
from playground.shop.stress import Stress

OPENED = datetime(2026, 1, 1)
_UNDER_WAY = 500
_AT_ONCE = 200
_STEPS = ("paid", "shipped", "delivered")


@dataclass
class _Order:
    order: rows.Order
    row: Row
    steps: int = 0


@dataclass
class Life:
    """The shop's life after its opening, as far as it is the share of `worker` of `workers`."""

    books: Books
    customers: list[Row]
    products: list[Row]
    worker: int = 0
    workers: int = 1
    orders_placed: int = 0
    _sequence: int = 0
    _under_way: deque[_Order] = field(default_factory=deque)

    def transactions(self) -> Iterator[Transaction]:
        """Without end: each order's steps lie some hundred orders apart."""
        while True:
            yield self._place()
            while len(self._under_way) > _UNDER_WAY:
                step = self._under_way.popleft()
                yield self._advance(step)
                if step.steps < len(_STEPS):
                    self._under_way.append(step)
            if self.orders_placed % 5 == 0:
                yield self._promote()
            if self.orders_placed % 50 == 0:
                yield self._price()

    def _commit(self, *changes: tuple[str, Row | None, Row | None]) -> Transaction:
        numbered = []
        for table, old, new in changes:
            self._sequence += 1
            operation = "c" if old is None else "d" if new is None else "u"
            number = self._sequence * self.workers + self.worker
            numbered.append(Change(number, table, operation, old, new))
        return Transaction(_milliseconds(self.books.clock), tuple(numbered))

    def _place(self) -> Transaction:
        books = self.books
        self.orders_placed += 1
        books.clock += timedelta(milliseconds=books.rng.randrange(200))
        customer = None if books.rng.random() < 0.125 else books.customers.pick(books.rng)
        placed = rows.order(books, self._own(self.orders_placed), customer, books.clock)
        self._under_way.append(_Order(placed, placed.row))
        lines = [("order_items", None, item) for item in placed.items]
        return self._commit(("orders", None, placed.row), *lines)

    def _advance(self, step: _Order) -> Transaction:
        books, status = self.books, _STEPS[step.steps]
        at, old = books.now(), step.row
        step.steps += 1
        step.row = {**old, "status": status, f"{status}_at": at, "updated_at": at}
        changes: list[tuple[str, Row | None, Row | None]] = [("orders", old, step.row)]
        currency = str(old["currency_code"])
        if status == "paid":
            payment = rows.payment(books, step.order.order_id, step.order.total, currency, at)
            changes.append(("payments", None, self._keyed(payment, "payment_id")))
        elif status == "shipped":
            for item in step.order.items:
                pieces = _integer(old["store_id"]), _integer(item["product_id"]), -1
                moved = rows.movement(books, "sale", at, pieces, step.order.order_id)
                changes.append(("inventory_movements", None, self._keyed(moved, "movement_id")))
        elif books.rng.random() < 0.05:
            item = step.order.items[-1]
            if _integer(item["quantity"]) > 0:
                back = {**item, "returned_quantity": 1, "returned_at": at, "updated_at": at}
                refund = -_integer(str(item["unit_price"]).replace(".", ""))
                out = rows.payment(books, step.order.order_id, refund, currency, at)
                changes.append(("order_items", item, back))
                changes.append(("payments", None, self._keyed(out, "payment_id")))
        return self._commit(*changes)

    def _promote(self) -> Transaction:
        """A customer of this worker's share gets another tier."""
        place = self.books.rng.randrange(len(self.customers))
        old, at = self.customers[place], self.books.now()
        self.customers[place] = {**old, "tier": self.books.rng.choice(TIERS), "updated_at": at}
        return self._commit(("customers", old, self.customers[place]))

    def _price(self) -> Transaction:
        place = self.books.rng.randrange(len(self.products))
        old, at = self.products[place], self.books.now()
        key, price = _integer(old["product_id"]), self.books.rng.randrange(1, 30_000)
        self.books.listed[key] = replace(self.books.listed[key], price=price)
        self.products[place] = {**old, "unit_price": money(price), "updated_at": at}
        return self._commit(("products", old, self.products[place]))

    def _keyed(self, row: Row, key: str) -> Row:
        return {**row, key: self._own(_integer(row[key]))}

    def _own(self, number: int) -> int:
        """The worker's n-th key: no other worker has it."""
        return number * self.workers + self.worker


@dataclass(frozen=True)
class Opened:
    """The shop when it opens: its books and the rows that the initial snapshot reads."""

    books: Books
    rows: dict[str, list[Row]]


def opened(events: int) -> Opened:
    """The same shop for every caller; it has a customer for each hundred events."""
    books = Books(Stress(), Random(20_260_101), _no_database, OPENED)
    scale = Scale(customers=max(100, events // 100), orders=0, products=2_000, categories=40)
    held: dict[str, list[Row]] = {}
    for inserts in open_shop(books, scale):
        for insert in inserts:
            held.setdefault(insert.table, []).extend(insert.rows)
    return Opened(books, held)


def records(scale: int, worker: int, workers: int) -> Iterator[Record]:
    """A worker's share of the records on the topics of the tables, without end; see `Makers`."""
    shop, connector = opened(scale), Connector(load(), SALT, progress=Progress())
    tables = {table.topics["sqlserver"] for table in load().tables}
    if worker == 0:
        yield from (
            record
            for record in connector.snapshot(shop.rows, 0, _milliseconds(OPENED))
            if record.topic in tables
        )
    shop.books.rng.seed(worker)
    life = Life(
        shop.books,
        shop.rows["customers"][worker::workers],
        shop.rows["products"][worker::workers],
        worker,
        workers,
    )
    transactions = life.transactions()
    while some := list(islice(transactions, _AT_ONCE)):
        yield from (
            record
            for record in connector.stream(some, some[-1].committed_ms)
            if record.topic in tables
        )


def produce(servers: str, share: Iterator[Record], events: int, per_second: int = 0) -> None:
    """Write the next `events` records of `share` to the topics, which exist.

    `per_second` is the pace; without it, as fast as it goes.
    """
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "linger.ms": 5 if per_second else 50,
            "batch.size": 1 << 20,
            "queue.buffering.max.messages": 1_000_000,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
        }
    )
    started = time.monotonic()
    for written, record in enumerate(islice(share, events)):
        if per_second:
            ahead = started + written / per_second - time.monotonic()
            if ahead > 0:
                producer.flush()
                time.sleep(ahead)
        while True:
            try:
                producer.produce(
                    record.topic, record.value, record.key, headers=list(record.headers)
                )
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    if producer.flush(120):
        sys.exit("the broker did not take all events")


class Makers:
    """Processes that each live a share of one shop's life, and go on where they stopped.

    Args:
        servers: the broker's bootstrap servers.
        scale: the shop has a customer for each hundred of so many events.
    """

    def __init__(self, servers: str, scale: int, workers: int = 2) -> None:
        context = get_context("spawn")
        self._pipes: list[Connection[int, int]] = []
        self._processes: list[SpawnProcess] = []
        for worker in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_make, args=(theirs, servers, scale, worker, workers))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join()

    def make(self, events: int) -> None:
        """Write the next `events` records."""
        workers = len(self._pipes)
        for worker, pipe in enumerate(self._pipes):
            pipe.send(events // workers + (events % workers if worker == 0 else 0))
        for pipe in self._pipes:
            pipe.recv()


def _make(pipe: Connection[int, int], servers: str, scale: int, worker: int, workers: int) -> None:
    share = records(scale, worker, workers)
    with contextlib.suppress(EOFError):
        while True:
            events = pipe.recv()
            produce(servers, share, events)
            pipe.send(events)


def _no_database(_query: str, _parameters: object) -> list[tuple[object, ...]]:
    raise AssertionError("the shop of the benchmark has no database")


def _milliseconds(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp() * 1000)


def _integer(value: object) -> int:
    return int(str(value))
