"""The shop at work: drafts transactions from one seeded generator and runs them on PostgreSQL.

One thread runs everything. Where two transactions overlap, their statements are interleaved over
two connections in an order that the seed decides, so the same seed gives the same sequence of
changes on every machine; only commit times are real.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2's own name

from ingestion.declarations import load
from ingestion.errors import TerminalError
from playground.shop import activities, operations
from playground.shop.books import Books, Draft, NothingToDoError, Pool, hundredths
from playground.shop.market import Listing, Market, Store
from playground.shop.opening import Scale, open_shop
from playground.shop.retailer import Retailer
from playground.shop.statements import OPERATIONS, Undone, execute, script

STARTED_AT = datetime(2026, 3, 1, 8, 0, 0)
"""The application's clock when the shop opens, unless the caller says otherwise."""

_ROUND_GAP = timedelta(hours=6)
_SMALL_SHARE = 0.06
"""Share of a round's row changes that single people's transactions make."""
_BULK_SIZE = 600
"""Row changes of the largest bulk transactions."""
_LONG_EVERY = 5_000
"""Row changes between two transactions that stay open for a whole round."""
_KEEP = 200_000
"""Orders that a pool keeps at most: older ones are left alone, so that endless runs stay small."""

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class RoundSummary:
    """What a round changed: committed row changes by (table, operation), and transactions.

    A primary-key update counts as one change with operation u.
    """

    counts: dict[tuple[str, str], int]
    transactions: int
    rolled_back: int
    seconds: float

    @property
    def changes(self) -> int:
        """Committed row changes in all."""
        return sum(self.counts.values())

    @property
    def updates_and_deletes(self) -> int:
        """Committed row changes that are no inserts."""
        return sum(count for (_, operation), count in self.counts.items() if operation != "c")


class OpenTransaction:
    """A transaction that has changed rows and waits: commit it when the time has come."""

    def __init__(self, shop: Shop, draft: Draft) -> None:
        self._shop, self._draft = shop, draft
        self._connection = shop.connect()
        self._connection.autocommit = False

    def begin(self) -> None:
        """Make the changes; their row locks are held until `commit` or `roll_back`."""
        with self._connection.cursor() as cursor:
            for statement in self._draft.statements:
                execute(cursor, statement, self._shop.declarations)

    def commit(self) -> None:
        """Commit the changes."""
        self._connection.commit()
        self._connection.close()
        self._shop.book(self._draft)

    def roll_back(self) -> None:
        """Undo the changes."""
        self._connection.rollback()
        self._connection.close()
        self._draft.rolled_back()


class Shop:
    """A shop on the database at `dsn`, whose schema `playground.shop.schema.create` has made.

    Use it as a context manager, or call `close`. Nobody else may change the shop's tables at the
    same time: the simulator keeps books of the keys.
    """

    def __init__(
        self,
        dsn: str,
        seed: int = 1,
        scale: Scale | None = None,
        started_at: datetime = STARTED_AT,
        market: Market | None = None,
    ) -> None:
        """Connect.

        Args:
            dsn: libpq connection string.
            seed: the same seed makes the same transactions with the same values.
            scale: how large `seed` makes the shop.
            started_at: the application's clock at the opening (UTC, naive). A fixed time keeps the
                values reproducible; the present makes orders fall between commit times.
            market: what it trades in; by default a retailer.
        """
        self._dsn = dsn
        self._seed = seed
        self._scale = scale or Scale()
        self.declarations = load()
        self._main, self._other = self.connect(), self.connect()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._transactions = 0
        self._rolled_back = 0
        self._books = Books(
            market or Retailer(),
            Random(seed),  # noqa: S311 - a simulation
            self._read,
            started_at.replace(tzinfo=None),
        )
        weights = self._books.market.weights
        self._weights = [weights.get(one.__name__, 0) for one in operations.OPERATIONS]
        self._loaded = False
        self._decks: dict[tuple[activities.Activity, ...], list[activities.Activity]] = {}

    def __enter__(self) -> Shop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; what is not committed is lost."""
        self._main.close()
        self._other.close()

    def connect(self) -> Connection:
        """A connection as the simulator wants it."""
        connection = psycopg2.connect(self._dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            # Rows are to change in the order in which a statement names them, whatever the
            # planner's statistics say; the simulator must not wait for itself.
            cursor.execute(
                "set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off;"
                "set synchronous_commit = off; set lock_timeout = '10s'; set timezone = 'UTC';"
                "set search_path = public"
            )
        return connection

    def seed(self, on_progress: OnProgress | None = None) -> RoundSummary:
        """Fill the empty tables: the shop's past, in bulk.

        Raises:
            TerminalError: the shop has been filled before.
        """
        if self._read("select 1 from stores limit 1", ()):
            raise TerminalError("this shop is open already: run rounds, or seed an empty database")
        with self._measured() as finish:
            for inserts in open_shop(self._books, self._scale):
                draft = Draft(self._books)
                for insert in inserts:
                    draft.add(insert)
                self._run(draft)
                if on_progress:
                    on_progress(sum(self._counts.values()))
        self._loaded = True
        return finish()

    def round(
        self,
        changes: int = 25_000,
        at: datetime | None = None,
        on_progress: OnProgress | None = None,
    ) -> RoundSummary:
        """About `changes` row changes: bulk transactions, single people's ones, and odd ones.

        Args:
            changes: row changes to reach; the last transaction may pass it.
            at: the application's clock at the start (UTC), by default six hours after the last
                round. It never goes back.
            on_progress: called with the row changes so far.
        """
        self._load()
        books = self._books
        start = at.replace(tzinfo=None) if at else books.clock + _ROUND_GAP
        books.clock = max(books.clock, start)
        with self._measured() as finish:
            # It holds some dozens of rows: short rounds have one now and then.
            is_long = books.rng.random() < changes / _LONG_EVERY
            long = self._long_transaction() if is_long else None
            small = 0
            while (done := sum(self._counts.values())) < changes:
                if small <= done * _SMALL_SHARE:
                    self._small()
                    small += sum(self._counts.values()) - done
                else:
                    self._bulk(min(_BULK_SIZE, 1 + changes // 20))
                if on_progress:
                    on_progress(min(sum(self._counts.values()), changes))
            if long:
                long.commit()
        for pool in books.order_pools():
            while len(pool) > _KEEP:
                pool.remove(pool.pick(books.rng))
        return finish()

    @contextmanager
    def transaction_left_open(self) -> Iterator[OpenTransaction]:
        """A transaction over customers, addresses and orders, as far as there are any of the kind.

        It is open inside the block and committed at its end (rolled back on an exception).
        PostgreSQL makes no replication slot while a transaction that has written is open: where
        Debezium's first snapshot is to meet this one, create its slot before.
        """
        transaction = self.leave_open()
        try:
            yield transaction
        except BaseException:
            transaction.roll_back()
            raise
        transaction.commit()

    def leave_open(self) -> OpenTransaction:
        """As `transaction_left_open`; the caller ends it with `commit` or `roll_back`."""
        self._load()
        draft = Draft(self._books)
        for activity in (
            activities.change_profile,
            activities.change_address,
            activities.correct_customer_id,
            activities.pay_order,
            activities.delete_order,
            activities.sign_up,
        ):
            with suppress(NothingToDoError):
                activity(draft)
        transaction = OpenTransaction(self, draft)
        transaction.begin()
        return transaction

    def book(self, draft: Draft) -> None:
        """Book a committed transaction."""
        draft.committed()
        self._transactions += 1
        for statement in draft.statements:
            if not isinstance(statement, Undone):
                operation = OPERATIONS[type(statement)]
                self._counts[statement.table, operation] += len(statement.rows)

    def _small(self) -> None:
        """One small transaction, or a few in one of the ways in which transactions meet."""
        rng = self._books.rng
        chance = rng.random()
        if chance < 0.70:
            self._run(self._draft(_SMALL))
        elif chance < 0.80:
            self._run_separately(self._draft(_REPEATED))
        elif chance < 0.90:
            self._run_interleaved(self._draft(_EXCLUSIVE), self._draft(_EXCLUSIVE))
        else:
            self._run_in_vain(self._draft(_REVOCABLE))

    def _bulk(self, size: int) -> None:
        rng = self._books.rng
        while True:
            (operation,) = rng.choices(operations.OPERATIONS, self._weights)
            draft = Draft(self._books)
            try:
                operation(draft, rng.randrange(max(1, size // 3), size + 1))
            except NothingToDoError:
                draft.rolled_back()
                continue
            self._run(draft)
            return

    def _long_transaction(self) -> OpenTransaction | None:
        draft = Draft(self._books)
        try:
            operations.review_tiers(draft, 20)
            operations.pay_orders(draft, 20)
        except NothingToDoError:
            draft.rolled_back()
            return None
        transaction = OpenTransaction(self, draft)
        transaction.begin()
        return transaction

    def _draft(self, choices: tuple[activities.Activity, ...]) -> Draft:
        """A transaction of one of `choices`, which come round like the cards of a shuffled deck."""
        deck = self._decks.setdefault(choices, [])
        while True:
            if not deck:
                deck.extend(self._books.rng.sample(choices, len(choices)))
            draft = Draft(self._books)
            try:
                deck.pop()(draft)
            except NothingToDoError:
                draft.rolled_back()
                continue
            return draft

    def _run(self, draft: Draft) -> None:
        with self._main.cursor() as cursor:
            cursor.execute("begin")
            for statement in draft.statements:
                execute(cursor, statement, self.declarations)
            cursor.execute("commit")
        self.book(draft)

    def _run_separately(self, draft: Draft) -> None:
        """Each change in a transaction of its own, all within a millisecond or two."""
        changes = [one for one in draft.statements if not isinstance(one, Undone)]
        with self._main.cursor() as cursor:
            # One message to the server: a round trip for each would take longer than a commit.
            scripts = (script(cursor, change, self.declarations) for change in changes)
            cursor.execute(b";".join(b"begin;" + one + b";commit" for one in scripts))
        self.book(draft)
        self._transactions += len(changes) - 1

    def _run_interleaved(self, first: Draft, second: Draft) -> None:
        """Two open transactions, statement by statement in turn; who begins may commit last."""
        with self._main.cursor() as one, self._other.cursor() as other:
            queue = [(one, statement) for statement in first.statements]
            for place, statement in enumerate(second.statements):
                queue.insert(min(2 * place + 1, len(queue)), (other, statement))
            one.execute("begin")
            other.execute("begin")
            for cursor, statement in queue:
                execute(cursor, statement, self.declarations)
            ends = [(one, first), (other, second)]
            if self._books.rng.random() < 0.5:
                ends.reverse()
            for cursor, draft in ends:
                cursor.execute("commit")
                self.book(draft)

    def _run_in_vain(self, draft: Draft) -> None:
        with self._main.cursor() as cursor:
            cursor.execute("begin")
            for statement in draft.statements:
                execute(cursor, statement, self.declarations)
            cursor.execute("rollback")
        draft.rolled_back()
        self._rolled_back += 1

    def _read(self, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._main.cursor() as cursor:
            cursor.execute(query, parameters)
            return cursor.fetchall()

    @contextmanager
    def _measured(self) -> Iterator[Callable[[], RoundSummary]]:
        self._counts.clear()
        self._transactions = self._rolled_back = 0
        begun = time.perf_counter()
        yield lambda: RoundSummary(
            dict(self._counts),
            self._transactions,
            self._rolled_back,
            time.perf_counter() - begun,
        )

    def _load(self) -> None:
        """Read the books from a shop that another process has opened."""
        if self._loaded:
            return
        self._loaded = True
        books = self._books
        ((last, latest),) = self._read(
            "select (select max(sequence) from audit.changes), greatest("
            "(select max(updated_at) from orders), (select max(updated_at) from customers))",
            (),
        )
        books.rng = Random(f"{self._seed} after {last}")  # noqa: S311 - a simulation
        books.clock = max(books.clock, latest or books.clock)
        books.stores = [
            Store(*row)
            for row in self._read(
                "select store_id, currency_code, country_code from stores order by store_id", ()
            )
        ]
        books.promotions = self._read(
            "select promotion_code, discount_percent::text from promotions "
            "where promotion_code not like 'Flash%%' order by promotion_code",
            (),
        )
        books.listed = {
            product_id: Listing(hundredths(price), currency, category_id)
            for product_id, price, currency, category_id in self._read(
                "select product_id, unit_price, currency_code, category_id from products "
                "order by product_id",
                (),
            )
        }
        books.homes = dict(
            self._read(
                "select customer_id, preferred_store_id from customers "
                "where preferred_store_id is not null order by customer_id",
                (),
            )
        )
        books.categories = self._pool("product_categories", "category_id", "true")
        books.products = self._pool("products", "product_id", "not is_discontinued")
        books.customers = self._pool("customers", "customer_id", "erased_at is null")
        books.placed = self._pool("orders", "order_id", "status = 'placed'")
        books.paid = self._pool("orders", "order_id", "status = 'paid'")
        books.shipped = self._pool("orders", "order_id", "status = 'shipped'")
        books.delivered = self._pool("orders", "order_id", "status = 'delivered'")
        books.closed = self._pool("orders", "order_id", "status in ('cancelled', 'returned')")
        for table in ("customers", "products", "orders", "payments", "inventory_movements"):
            (key,) = self.declarations.table(table).primary_key
            ((largest,),) = self._read(
                "select max((key ->> %s)::bigint) from audit.changes where table_name = %s",
                (key, table),
            )
            books.next_keys[table] = (largest or 0) + 1

    def _pool(self, table: str, key: str, condition: str) -> Pool:
        found = self._read(
            f"select {key} from public.{table} where {condition} order by {key}",
            (),
        )
        return Pool(value for (value,) in found)


_REPEATED = (
    activities.change_profile,
    activities.change_price,
    activities.switch_default_address,
    activities.try_address,
)
"""Activities whose statements may each be a transaction of its own, within one millisecond."""

_REVOCABLE = (
    activities.sign_up,
    activities.place_order,
    activities.pay_order,
    activities.change_profile,
    activities.change_address,
    activities.delete_order,
    activities.rename_category,
)

_EXCLUSIVE = (
    activities.sign_up,
    activities.sign_up,
    activities.place_order,
    activities.place_order,
    activities.place_order,
    activities.pay_order,
    activities.pay_order,
    activities.ship_order,
    activities.deliver_order,
    activities.cancel_order,
    activities.return_order,
    activities.refund_partially,
    activities.refund_partially,
    activities.correct_order,
    activities.correct_line_no,
    activities.delete_order,
    activities.change_address,
    activities.change_address,
    activities.switch_default_address,
    activities.delete_address,
    activities.correct_address_no,
    activities.change_profile,
    activities.change_profile,
    activities.erase_customer,
    activities.correct_customer_id,
    activities.delete_customer,
    activities.bring_back,
    activities.replace_address,
    activities.try_address,
    activities.touch_customer,
    activities.change_price,
    activities.discontinue_product,
    activities.launch_product,
    activities.rename_category,
    activities.count_stock,
)
"""Activities that take every row they change out of its pool: two of them may overlap."""

_SMALL = (
    *_EXCLUSIVE,
    activities.change_promotion,
    activities.change_known_promotion,
    activities.rename_store,
)
