"""Hypothesis strategies: random logs of a few keys, with everything that happens to real ones.

A log is a `WorkedHistory` without expected tables, so a failing one is printed as the page
docs/semantics.md would show it. Half of the logs come from a small simulated database, whose
snapshots, transactions and connector then have every accident of the page; half are random records
that no database would write, because the rules are total.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from unittest import SkipTest

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ingestion.declarations import Declarations
from ingestion.settings import ConnectorName
from tests.kit.declared import DECLARATIONS
from tests.kit.worked import Cells, WorkedHistory

Draw = st.DrawFn

# Rows that differ in tracked columns, in others only, in nulls, and in what hashes could mix up.
ROWS = {
    "customers": (
        "bronze",
        "silver",
        "gold",
        "nulls",
        "silver, nulls",
        "bronze, phone=5f2b, updated_at=2026-03-01 10:00:00.123456",
        "email=a|b, first_name=c",
        "email=a, first_name=b|c",
        'first_name="", last_name="Lovelace "',
        "first_name=Zo\u00eb \U0001f600, birth_date=0001-01-01",
    ),
    "customer_addresses": (
        "base",
        "city=Paris",
        "is_default=false",
        "nulls",
        "city=Paris, updated_at=2026-03-01 10:00:00.000001",
        "line_1=~n, line_2=|",
    ),
    "products": (
        "base",
        "name=Sofa, unit_cost=0.0001, weight_kg=1234567.891",
        "unit_price=-0.01, brand=a|b",
        "nulls",
        "description=\u590f, is_discontinued=true, unit_price=9999999999.99",
    ),
    "stores": (
        "base",
        "name=Other, closed_on=2026-02-28",
        "city=Z\u00fcrich, currency_code=CHF, time_zone=Europe/Zurich",
        "nulls",
    ),
    "promotions": (
        "base",
        "name=Other, ends_at=2026-12-31 23:59:59.999999",
        "discount_percent=100",
        "nulls, discount_percent=-1.5",
    ),
    "orders": (
        "customer_id=1",
        "customer_id=2, placed_at=2026-03-01 10:01:00",
        "base",
        "customer_id=1, placed_at=2026-03-01 10:02:00.000999, status=paid",
        "customer_id=3, placed_at=2026-03-01 10:01:00.001",
        "customer_id=2, placed_at=2019-01-01 00:00:00",
        "customer_id=1, placed_at=2026-03-01 11:31:00",
    ),
    "order_items": (
        "base",
        "quantity=3, tax_amount=7.41",
        "returned_quantity=1, returned_at=2026-03-02 09:00:00.000001",
        "unit_price=9999999999.99, discount_amount=-0.01",
    ),
    "payments": (
        "base",
        "amount=-0.01",
        "amount=999999999999.99, method=voucher",
        "kind=refund, amount=0.00",
        "amount=12.5, updated_at=9999-12-31 23:59:59.999999",
    ),
}
KEYS = {
    "customers": ("1", "2", "3"),
    "customer_addresses": ("1/1", "1/11", "11/1", "2/1"),
    "products": ("1", "2", "3"),
    "stores": ("1", "2", "3"),
    "promotions": ("summer", "SUMMER", "\u00e9t\u00e9", '"summer "'),
    "orders": ("1", "2", "3"),
    "order_items": ("1/1", "1/2", "2/1"),
    "payments": ("1", "-2", "3"),
}
TABLES = ("customers", "customer_addresses", "payments")
# Columns that images leave out: the source's log lacks them, or had none of that name.
LEFT_OUT = {
    "customers": ("email", "first_name", "tier", "birth_date"),
    "customer_addresses": ("city", "region", "is_default"),
    "products": ("brand", "unit_price"),
    "stores": ("city", "time_zone"),
    "promotions": ("name", "ends_at"),
    "orders": ("status",),
    "order_items": ("quantity", "tax_amount"),
    "payments": ("amount", "method"),
}
_MINUTE = 60_000
_START = 36_000_000


@dataclass
class _Commit:
    """A change on its way from the simulated database to Kafka."""

    key: str
    op: str
    position: str
    committed: int
    row: str
    before: str
    source: str = "retail"

    def cells(self) -> dict[str, str]:
        return {
            "source": self.source,
            "key": self.key,
            "op": self.op,
            "position": self.position,
            "committed": clock(self.committed),
            "row": self.row,
            "before": self.before,
        }


@dataclass
class _Database:
    """A source database of one table with a few keys, its log and its clock."""

    draw: Draw
    connector: ConnectorName
    table: str
    is_flawless: bool = False
    rows: dict[str, str] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    log_end: int = 100
    last_commit: int | None = None
    last_place: str = ""
    now: int = _START
    source: str = "retail"
    events: list[_Commit] = field(default_factory=list)
    early_reads: list[tuple[_Commit, int]] = field(default_factory=list)

    def step(self) -> None:
        """Whatever happens next."""
        self.now += self.draw(st.sampled_from([_MINUTE, 0, 1, 3, -5 * _MINUTE, 90 * _MINUTE]))
        kinds = ["transaction"] * 6 + ["snapshot", "incremental", "restore", "gap"]
        getattr(self, f"_{self.draw(st.sampled_from(kinds))}")()

    def _transaction(self) -> None:
        """One to four changes, committed together."""
        before = self.last_commit
        key_of = st.sampled_from(KEYS[self.table])
        keys = self.draw(st.lists(key_of, min_size=1, max_size=3))
        start = self.log_end
        if self.connector == "postgresql" and self.draw(st.booleans()):
            # It was open for long: since it touched these keys no other did, nor one that is free,
            # which a changed key may take.
            free = [key for key in KEYS[self.table] if key not in self.rows]
            start = max(self.touched.get(key, 0) for key in [*keys, *free])
        self.log_end += 10
        transaction: list[_Commit] = []
        for key in keys:
            for op, subject, row, old in self._changes(key):
                order = len(transaction) + 1
                place = self._place(before, start + order, order, op, transaction)
                transaction.append(self._append(op, subject, place, row, old))
        self.log_end += 20
        self.last_commit = self.log_end
        self.touched |= {event.key: self.log_end for event in transaction}

    def _changes(self, key: str) -> list[tuple[str, str, str, str]]:
        """What one statement does to the row of `key`: (op, key, row, before image) each."""
        old = self.rows.get(key)
        new = self.draw(st.sampled_from(ROWS[self.table]))
        if old is None:
            self.rows[key] = new
            return [("c", key, new, "")]
        what = self.draw(st.sampled_from(["update"] * 4 + ["delete", "replace", "rename"]))
        free = [other for other in KEYS[self.table] if other not in self.rows]
        if what == "delete" or (what == "rename" and not free):
            del self.rows[key]
            return [("d", key, "", old)]
        if what == "rename":
            self.rows[free[0]] = self.rows.pop(key)
            return [("d", key, "", old), ("c", free[0], old, "")]
        self.rows[key] = new
        if what == "replace":
            return [("d", key, "", old), ("c", key, new, "")]
        is_told = self.is_flawless or self.draw(st.integers(0, 9)) > 0
        return [("u", key, new, old if is_told else "unknown")]

    def _place(
        self,
        last_commit: int | None,
        lsn: int,
        order: int,
        op: str,
        transaction: Sequence[_Commit],
    ) -> str:
        if self.connector == "postgresql":
            return f"{'-' if last_commit is None else last_commit}/{lsn}#{order}"
        # the delete and the insert of a deferred update have one position
        if op == "c" and transaction and transaction[-1].op == "d" and self.draw(st.booleans()):
            return transaction[-1].position.removeprefix("2:")
        return f"{self.log_end}.{order}.{2 if op == 'u' else 1}"

    def _append(self, op: str, key: str, place: str, row: str, before: str) -> _Commit:
        position = place if self.source == "retail" else f"2:{place}"
        event = _Commit(key, op, position, self.now, row, before, self.source)
        self.events.append(event)
        self.last_place = place
        return event

    def _snapshot(self) -> None:
        """Reads every row; SQL Server's reads may already hold what is committed later."""
        place = str(self.log_end) if self.connector == "sqlserver" else f"-/{self.log_end}"
        self._read(place, ahead=self.connector == "sqlserver")
        self.last_commit = None  # a new connector, which has seen no commit yet

        self._absences(place)

    def _absences(self, place: str) -> None:
        """Somebody lands deletes of the rows that the snapshot did not read."""
        if self.is_flawless:
            return
        for key in KEYS[self.table]:
            if key not in self.rows and self.draw(st.booleans()):
                self._append("d", key, place, "", self.draw(st.sampled_from(ROWS[self.table][:3])))

    def _gap(self) -> None:
        """Rows are deleted while nobody listens, and the next connector begins with a snapshot."""
        if self.is_flawless:
            return
        for key in tuple(self.rows):
            if self.draw(st.booleans()):
                del self.rows[key]
        self.log_end += 30
        self.last_place = ""
        self._snapshot()

    def _incremental(self) -> None:
        """Reads every row while the stream goes on, at the place of the last streamed event."""
        if self.connector == "sqlserver":
            place = self.last_place or str(self.log_end)
        else:
            last = "-" if self.last_commit is None else self.last_commit
            place = f"{last}/{self.log_end}"
        self._read(place, ahead=True)

    def _read(self, place: str, *, ahead: bool) -> None:
        later = self.draw(st.sampled_from([0, 0, 2, 3])) if ahead else 0
        for key in KEYS[self.table] if later else tuple(self.rows):
            event = self._append("r", key, place, self.rows.get(key, ""), "")
            if later:
                self.early_reads.append((event, later))

    def _restore(self) -> None:
        """The database comes back from a backup: its log starts again, under a new prefix."""
        if self.is_flawless or self.source != "retail":
            return
        if self.draw(st.booleans()):
            self.source, self.last_commit, self.last_place = "restored", None, ""
            self.log_end = self.draw(st.sampled_from([50, 120]))
            self.touched.clear()
            self._snapshot()

    def settle(self) -> None:
        """Let the reads that were made too early see the rows of now; rows not there go unread."""
        waiting = []
        for event, steps in self.early_reads:
            if steps > 1:
                waiting.append((event, steps - 1))
            elif event.key in self.rows:
                event.row = self.rows[event.key]
            else:
                self.events.remove(event)
        self.early_reads = waiting


@st.composite
def _simulated(draw: Draw, connector: ConnectorName, table: str) -> list[dict[str, str]]:
    """What a database with a few rows and its connector write, and how much of it is captured."""
    events = draw(complete(connector, table))
    captured = events[draw(st.sampled_from([0, 0, 0, 1, 2])) :]
    lost = draw(st.sampled_from([None, None, None, 0, 1, 2]))
    kept = [event for number, event in enumerate(captured) if number != lost]
    return draw(_with_images_that_lack(kept, table))


@st.composite
def _with_images_that_lack(
    draw: Draw, events: list[dict[str, str]], table: str
) -> list[dict[str, str]]:
    """The events, in half of the logs with images that do not carry every column."""
    if draw(st.booleans()):
        return events
    column = st.sampled_from(LEFT_OUT[table])
    how = st.sampled_from(["", "", "row", "before", "row before"])
    what = st.sampled_from(["-{}", "-{}", "{}=?", "{}=empty"])
    return [
        event
        | {
            image: f"{event[image]}, {lacking}"
            for image in draw(how).split()
            if event[image] not in ("", "unknown")
        }
        for event in events
        for lacking in [draw(what).format(draw(column))]
    ]


@st.composite
def complete(
    draw: Draw, connector: ConnectorName, table: str, *, is_flawless: bool = False
) -> list[dict[str, str]]:
    """Everything that a database with a few rows and its connector write, in order.

    Flawless: it tells every before image and is never restored.
    """
    database = _lived(draw, connector, table, is_flawless=is_flawless)
    return [event.cells() for event in database.events]


@st.composite
def complete_with_rows(
    draw: Draw, connector: ConnectorName, table: str
) -> tuple[list[dict[str, str]], list[str]]:
    """As `complete`, and the keys of the rows that the database has in the end."""
    database = _lived(draw, connector, table, is_flawless=False)
    return [event.cells() for event in database.events], list(database.rows)


def _lived(draw: Draw, connector: ConnectorName, table: str, *, is_flawless: bool) -> _Database:
    database = _Database(draw, connector, table, is_flawless=is_flawless)
    for _ in range(draw(st.integers(1, 7))):
        database.settle()
        database.step()
    while database.early_reads:
        database.settle()
    return database


@st.composite
def _arbitrary(draw: Draw, connector: ConnectorName, table: str) -> list[dict[str, str]]:
    """Records that only have the right form: any operation anywhere, at few positions and times."""
    number = st.sampled_from([10, 20, 30])
    small = st.sampled_from([1, 2])
    # Of one row in two states much fits that should not be taken for a sign.
    keys = st.sampled_from(KEYS[table][: draw(small)])
    images = st.sampled_from(ROWS[table][: draw(st.sampled_from([2, 4]))])
    events = []
    for _ in range(draw(st.integers(1, 9))):
        op = draw(st.sampled_from("rcud"))
        source = draw(st.sampled_from(["retail"] * 7 + ["restored"]))
        if connector == "sqlserver":
            place = str(draw(number))
            if op in "cu" or draw(st.booleans()):
                place += f".{draw(small)}.{draw(small)}"
        else:
            place = f"{draw(st.sampled_from(['-', '10', '20']))}/{draw(number)}"
            is_absence = op == "d" and place.startswith("-") and draw(st.booleans())
            place += "" if op == "r" or is_absence else f"#{draw(small)}"
        before = {"u": st.one_of(images, st.just("unknown")), "d": images}.get(op, st.just(""))
        events.append(
            _Commit(
                key=draw(keys),
                op=op,
                position=place if source == "retail" else f"2:{place}",
                committed=_START + draw(st.sampled_from([0, 1, 5000, _MINUTE])),
                row="" if op == "d" else draw(images),
                before=draw(before),
                source=source,
            ).cells()
        )
    return draw(_with_images_that_lack(events, table))


@st.composite
def _delivered(draw: Draw, events: Sequence[Cells], table: str) -> tuple[Cells, ...]:
    """The events as Kafka has them: repeated, in any order, among tombstones and rubbish."""
    lines = [dict(event) for event in events]
    for event in events:
        if event["op"] == "d" and draw(st.booleans()):
            lines.append({**event, "op": "tombstone"})
    for event in draw(st.lists(st.sampled_from(list(events) or [{}]), max_size=3)):
        again = dict(event)
        if again and again["row"] and draw(st.integers(0, 3)) == 0:
            again["row"] = draw(st.sampled_from(ROWS[table]))
        if again:
            lines.append(again)
    if draw(st.integers(0, 5)) == 0:
        lines.append({**lines[0], "op": "malformed"} if lines else {})
    lines = [line for line in lines if line]
    order = draw(st.sampled_from(["as written", "any", "backwards"]))
    if order == "any":
        lines = draw(st.permutations(lines))
    elif order == "backwards":
        lines.reverse()
    runs = sorted(draw(st.integers(1, 4)) for _ in lines)
    one_partition = draw(st.booleans())
    recreated = draw(st.sampled_from([None, None, None, 0, 1, 3]))
    return tuple(
        {
            "run": str(run),
            "incarnation": "0" if recreated is None or number < recreated else "1",
            "partition": "0" if one_partition else str(draw(st.integers(0, 2))),
            "delivered": clock(2 * _START + (0 if order == "any" else number) * 250),
            **line,
        }
        for number, (run, line) in enumerate(zip(runs, lines, strict=True))
    )


@st.composite
def logs(
    draw: Draw,
    declarations: Declarations,
    connectors: Sequence[ConnectorName] = ("sqlserver", "postgresql"),
    tables: Sequence[str] = TABLES,
) -> WorkedHistory:
    """A random log of a few keys of one table."""
    connector = draw(st.sampled_from(connectors))
    table = draw(st.sampled_from(tables))
    maker = draw(st.sampled_from([_simulated, _arbitrary]))
    events: list[dict[str, str]] = draw(maker(connector, table))
    log: tuple[Cells, ...] = draw(_delivered(events, table))
    return worked_log(connector, declarations, table, log)


def random_logs(
    connector: ConnectorName,
    number: int,
    of: int,
    tables: Sequence[str] = TABLES,
    declarations: Declarations = DECLARATIONS,
) -> list[WorkedHistory]:
    """`of` random logs, the same for the same `number`."""
    found: list[WorkedHistory] = []

    @seed(number)
    @settings(
        max_examples=of * 2,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(logs(declarations, [connector], tables))
    def collect(log: WorkedHistory) -> None:
        if log.log:
            found.append(log)
        if len(found) == of:
            raise SkipTest("Hypothesis need not draw more")

    with suppress(SkipTest):
        collect()
    assert len(found) == of
    return found


def pairs_in_commits(declarations: Declarations = DECLARATIONS) -> list[WorkedHistory]:
    """Each pair of changes that one commit of SQL Server may hold of a row, after all that may be
    known of the row before: what rule 2a weighs.
    """
    before = ["", "read", "c absence", "c", "u", "d", "uu", "uc", "cd", "read u", "c cd"]
    told = [
        ("bronze", "silver"),
        ("silver", "bronze"),
        ("bronze", "gold"),
        ("silver", "silver"),
        ("unknown", "silver"),
        ("bronze, -email", "gold"),
    ]
    pairs = [
        *([(op, "silver", "bronze") for op in ops] for ops in ("cd", "dc", "uc", "du", "ucd")),
        *([("u", *first), ("u", *second)] for first in told for second in told),
    ]
    return [
        worked_log("sqlserver", declarations, "customers", tuple(_one_row(past.split(), pair)))
        for past in before
        for pair in pairs
    ]


def _one_row(past: Sequence[str], pair: Sequence[tuple[str, str, str]]) -> Iterator[Cells]:
    """The records of a row that was bronze, then of `pair`: operations, before images and rows."""
    number = 0
    for number, kind in enumerate(past, start=1):
        if kind in ("read", "absence"):
            op, before = ("r", "") if kind == "read" else ("d", "bronze")
            yield _cells_of(op, str(number * 10), before, "bronze")
        else:
            for order, op in enumerate(kind, start=1):
                yield _cells_of(op, f"{number * 10}.{order}.1", "bronze", "bronze")
    for order, (op, before, row) in enumerate(pair, start=1):
        yield _cells_of(op, f"{number * 10 + 10}.{order}.1", before, row)


def _cells_of(op: str, position: str, before: str, row: str) -> Cells:
    image = before if op in "ud" else ""
    row = "" if op == "d" else row
    return {"run": "1"} | _Commit("1", op, position, _START, row, image, "retail").cells()


def worked_log(
    connector: ConnectorName, declarations: Declarations, table: str, log: tuple[Cells, ...]
) -> WorkedHistory:
    """A log without expected tables."""
    return WorkedHistory(
        number=0,
        title="a random log",
        connector=connector,
        table=declarations.table(table),
        log=log,
        history=(),
        dimension=(),
        current=(),
        facts=(),
    )


def clock(milliseconds: int) -> str:
    """Milliseconds of the day as the page writes times."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"
    return f"{text}.{rest:03d}" if rest else text


def as_page(log: WorkedHistory) -> str:
    """The log as docs/semantics.md would show it."""
    names = ["run", "incarnation", "partition", "delivered", "source", "key", "op", "position"]
    names += ["committed", "row", "before"]
    lines = [["log", *names], ["---"] * (len(names) + 1)]
    lines += [["", *(_cell(line.get(name, "")) for name in names)] for line in log.log]
    kind = "SQL Server" if log.connector == "sqlserver" else "PostgreSQL"
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"Source: {kind}, table {log.table.name}.\n\n{table}\n"


def _cell(text: Any) -> str:
    return str(text).encode("ascii", "backslashreplace").decode().replace("|", r"\|")
