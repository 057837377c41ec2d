"""When a difference between two databases that never rest counts: never a passing one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.declarations import Column, DataType, load
from ingestion.errors import TerminalError
from ingestion.settings import ConnectorName
from lakehouse.health.waiting import AT_ONCE
from lakehouse.reconcile import rows
from lakehouse.reconcile.absences import Log
from lakehouse.reconcile.current import Current
from lakehouse.reconcile.findings import Difference
from lakehouse.reconcile.rows import Look, lasts, log_behind, stands_before
from lakehouse.reconcile.scope import Scope, canonical
from lakehouse.settings import CommandSettings
from lakehouse.source.rows import Chunk
from tests.kit.recorded import recorded

DECLARED = load()


@dataclass(frozen=True)
class Race:
    """The commits of one key, and how far each reading saw.

    `rows[n]` is the row that commit n left, None a delete; `lost` are those that no event told of.
    The source's two readings saw the first `seen` commits, and its log ended behind `ended`; the
    log was asked when the first `delivered` commits were on their way or there.
    """

    rows: list[int | None]
    lost: frozenset[int]
    seen: tuple[int, int]
    ended: tuple[int, int]
    delivered: tuple[int, int]

    def source(self, reading: int) -> str | None:
        """The row's fingerprint."""
        seen = self.rows[: self.seen[reading]]
        return str(seen[-1]) if seen and seen[-1] is not None else None

    def log(self, reading: int) -> Current | None:
        """What the log says last."""
        known = [n for n in range(self.delivered[reading]) if n not in self.lost]
        if not known:
            return None
        row = self.rows[known[-1]]
        return Current(row is not None, str(row), f"{known[-1]:04d}")

    def look(self, reading: int) -> Look:
        return Look(self.source(reading), self.ended[reading], self.log(reading))

    @property
    def is_found(self) -> bool:
        return lasts(self.look(0), self.look(1), lambda position, end: int(position) < end)


@st.composite
def races(draw: st.DrawFn, *, loses: bool = True) -> Race:
    """Commits, readings and deliveries as they may fall: the log is awaited, then the source is
    read again, which sees whatever has been delivered."""
    rows = draw(st.lists(st.none() | st.integers(0, 2), max_size=8))
    lost = draw(st.frozensets(st.integers(0, 7))) if loses else frozenset()
    place, places = 0, []
    for _ in range(6):
        place = draw(st.integers(place, len(rows)))
        places.append(place)
    first, ended, delivered, second, ended_again, delivered_again = places
    return Race(rows, lost, (first, second), (ended, ended_again), (delivered, delivered_again))


@given(races(loses=False))
def test_where_the_log_is_whole_nothing_is_found(race: Race) -> None:
    assert not race.is_found


@given(races())
def test_what_is_found_was_lost_and_lasts(race: Race) -> None:
    if race.is_found:
        assert race.lost & set(range(race.delivered[1]))
        assert race.look(0).differs
        assert race.look(1).differs


@given(races())
def test_a_difference_of_a_key_that_rests_is_found(race: Race) -> None:
    rested = Race(race.rows, race.lost, *[(len(race.rows),) * 2] * 3)
    assert rested.is_found == rested.look(1).differs


LACKING = {
    "the source's row changed": (Look("a", 9, None), Look("b", 9, None)),
    "the log's last change is another one": (
        Look("a", 9, Current(True, "b", "1")),
        Look("a", 9, Current(True, "b", "2")),
    ),
    "the log's last change came behind the first reading": (
        Look("a", 1, Current(True, "b", "5")),
        Look("a", 9, Current(True, "b", "5")),
    ),
    "they agree by now": (
        Look("a", 9, Current(True, "b", "1")),
        Look("a", 9, Current(True, "a", "1")),
    ),
}


@pytest.mark.parametrize("looks", LACKING.values(), ids=list(LACKING))
def test_each_condition_is_needed(looks: tuple[Look, Look]) -> None:
    assert not lasts(*looks, lambda position, end: int(position) < end)


def test_tables_of_sqlserver_are_compared_in_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = DECLARED.table("stores")
    scope = Scope(stores, "")
    names = [column.name for column in stores.landed_columns]
    with duckdb.connect() as warehouse, recorded("comparison") as database:
        declared_columns = ", ".join(f"{c.name} {c.type}" for c in stores.landed_columns)
        warehouse.execute(f"""
            create schema staging;
            create table staging.stg_retail__stores as
            select '0001:00000000:00000000:0010' as _cdc_commit, '' as _cdc_position,
                'u' as _cdc_op, false as _cdc_is_absence;
            create table current_rows ({declared_columns}, _cdc_op text, _cdc_not_carried text,
                _cdc_key text, _cdc_fingerprint text, _cdc_last text)
            """)

        def insert(key: int, name: str, not_carried: str | None = None) -> None:
            other = ["GB", "Europe/London", "GBP", date(1999, 4, 1), None]
            row = dict(zip(names, [key, name, None, *other, datetime(2020, 1, 1, 8)], strict=True))
            texts = {name: canonical(value, stores.column(name)) for name, value in row.items()}
            told = [
                "u",
                not_carried,
                scope.key_hash(texts),
                scope.fingerprint(texts),
                f"{PLACE_10}{key}",
            ]
            marks = ", ".join("?" * (len(row) + len(told)))
            warehouse.execute(f"insert into current_rows values ({marks})", [*row.values(), *told])

        for key, name in ((1, "as it was"), (2, "old"), (3, "gone"), (5, "old")):
            insert(key, name)
        insert(6, "", not_carried=",name,")
        log = Log(
            lambda sql: warehouse.execute(sql).fetchall(), "staging", DECLARED, "sqlserver", stores
        )
        awaited: list[object] = []

        def await_built(_: object, __: object, tables: list[str], ___: object) -> None:
            if awaited:
                insert(4, "on its way")
            awaited.append(tables)

        ctes = "with compared as (select * from current_rows)"
        monkeypatch.setattr(rows, "compiled", lambda *_: {"stores": ctes})
        monkeypatch.setattr(rows, "open_log", lambda *_: nullcontext(log))
        monkeypatch.setattr(rows, "await_built", await_built)
        [found] = rows.compare_rows(
            [stores],
            CommandSettings.from_environment({"LAKEHOUSE_SOURCE": "sqlserver"}),
            DECLARED,
            database,
            salt="",
            slot="",
            chunk_rows=10,
            patience=AT_ONCE,
        )
    assert (found.source_rows, found.read_again, awaited) == (5, 5, [["stores"]] * 2)
    assert [(one.difference, one.position) for one in found.differences] == [
        (
            Difference("store_id=2", "wrong row", "name='changed behind the log'", "name='old'"),
            f"{PLACE_10}2",
        ),
        (
            Difference("store_id=3", "extra row", "—", found.differences[1].difference.warehouse),
            f"{PLACE_10}3",
        ),
    ]
    assert [one.extra and one.extra.row["name"] for one in found.differences] == [None, "gone"]


STANDS: list[tuple[ConnectorName, str, bool]] = [
    ("postgresql", "0001:000000000000001f:000000000000001e:0000000000000001", True),
    ("postgresql", "0001:000000000000001f:0000000000000021:0000000000000001", False),
    ("postgresql", "0001:0000000000000021:0000000000000000:0000000000000000", False),
    ("postgresql", "0000:0000000000000099:0000000000000099:0000000000000000", True),
    ("postgresql", "0002:0000000000000001:0000000000000001:0000000000000000", False),
    ("sqlserver", "0001:00000000:00000000:0020:00000000:00000099:0001:0000000000000001", True),
    ("sqlserver", "0001:00000000:00000000:0021:00000000:00000000:0000:0000000000000000", False),
]


@pytest.mark.parametrize(("connector", "position", "is_before"), STANDS)
def test_a_change_stands_before_the_end_of_its_epochs_log(
    connector: ConnectorName, position: str, *, is_before: bool
) -> None:
    log = Log(lambda _: [], "", DECLARED, connector, DECLARED.table("stores"))
    assert stands_before(log, position, 0x20) == is_before


PLACE_10 = "0001:00000000:00000000:0010:00000000:00000000:0001:000000000000000"
COMMIT = 0x2A00000C780003
PLACE = "0001:0000002a:00000c78:0003"
NEWEST = {
    "nothing yet": ([], True),
    "an earlier commit": (["0001:0000002a:00000c78:0002"] * 3, True),
    "a part of it": ([PLACE], True),
    "all of it": ([PLACE] * 2, False),
    "a later one": (["0001:0000002a:00000c78:0004"], False),
    "one of the next epoch": (["0002:00000001:00000001:0001"], False),
}


@pytest.mark.parametrize(("commits", "is_behind"), NEWEST.values(), ids=list(NEWEST))
def test_the_log_is_behind_sqlservers_newest_commit(commits: list[str], *, is_behind: bool) -> None:
    with duckdb.connect() as warehouse:
        warehouse.execute(
            "create schema staging; create table staging.stg_retail__stores"
            " (_cdc_commit text, _cdc_position text, _cdc_op text, _cdc_is_absence boolean)"
        )
        for number, commit in enumerate(commits):
            warehouse.execute(
                "insert into staging.stg_retail__stores values (?, ?, 'u', false)",
                [commit, f"{commit}:{number}"],
            )
        log = Log(
            lambda sql: warehouse.execute(sql).fetchall(),
            "staging",
            DECLARED,
            "sqlserver",
            DECLARED.table("stores"),
        )
        assert bool(log_behind(log, (COMMIT, 2))) == is_behind


VALUES: list[tuple[str, str, Any, str]] = [
    ("order_items", "unit_price", Decimal("1.5"), "1.50"),
    ("order_items", "unit_price", Decimal("-0.00"), "0.00"),
    ("order_items", "quantity", 7, "7"),
    ("customers", "marketing_consent", False, "false"),
    ("customers", "birth_date", date(1990, 12, 10), "1990-12-10"),
    ("customers", "created_at", datetime(2020, 1, 1, 8), "2020-01-01 08:00:00.000000"),
    (
        "customers",
        "created_at",
        datetime(2020, 1, 1, 8, tzinfo=timezone(timedelta(hours=2))),
        "2020-01-01 06:00:00.000000",
    ),
    ("customers", "email", UUID(int=10), "00000000-0000-0000-0000-00000000000A"),
]


@pytest.mark.parametrize(("table", "name", "value", "text"), VALUES)
def test_a_value_of_the_driver_has_the_text_of_the_log(
    table: str, name: str, value: Any, text: str
) -> None:
    column = DECLARED.table(table).column(name)
    assert canonical(value, column) == text
    assert canonical(None, column) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1000"),
        (-2.5e-4, "-0.0003"),
        (1.00005, "1.0001"),
        (float("nan"), None),
        (float("-inf"), None),
    ],
)
def test_a_float_is_rounded_as_in_the_log(value: float, text: str | None) -> None:
    column = replace(
        DECLARED.table("order_items").column("unit_price"),
        type=DataType("decimal", precision=15, scale=4),
        from_float=True,
    )
    assert canonical(value, column) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 7, 1, 12), "2024-07-01 10:00:00.000000"),
        (datetime(2024, 3, 31, 2, 30), "2024-03-31 01:30:00.000000"),
        (datetime(2024, 10, 27, 2, 30), "2024-10-27 01:30:00.000000"),
        (datetime(1900, 1, 1), "1900-01-01 00:00:00.000000"),
        (datetime(9999, 12, 31), "9999-12-31 00:00:00.000000"),
    ],
)
def test_a_local_time_is_moved_as_in_the_log(moment: datetime, text: str) -> None:
    column = replace(DECLARED.table("customers").column("created_at"), time_zone="Europe/Berlin")
    assert canonical(moment, column) == text


def test_a_hashed_value_is_hashed_as_the_connector_does_it() -> None:
    scope = Scope(DECLARED.table("customers"), "salt")
    phone = scope.table.column("phone")
    # printf '%s' 'salt+44' | sha256sum
    assert scope.text(phone, "+44") == (
        "ffef44fca22613d644ad3ef79d94b653827ba40ac781eb805746e70afc1b5d77"
    )
    assert scope.text(phone, None) is None


def test_spellings_of_a_key_that_are_one_have_one_hash() -> None:
    scope = Scope(DECLARED.table("promotions"), "")
    assert scope.key_hash({"promotion_code": "Ten|Off  "}) == scope.key_hash(
        {"promotion_code": "ten|off"}
    )
    assert scope.key_hash({"promotion_code": "ten"}) != scope.key_hash({"promotion_code": "tan"})


def test_moments_are_utc() -> None:
    column = DECLARED.table("customers").column("created_at")
    assert canonical(datetime(2020, 1, 1, tzinfo=UTC), column) == "2020-01-01 00:00:00.000000"


PEOPLE = replace(
    DECLARED.table("stores"),
    name="people",
    columns=(
        Column("mail", DataType("varchar", length=64), "", pii="hash"),
        Column("note", DataType("varchar", length=9), "", nullable=True),
    ),
    primary_key=("mail",),
)


def test_a_hashed_key_is_compared_with_the_salt_only() -> None:
    with pytest.raises(TerminalError, match="its key is declared pii: hash"):
        Scope(PEOPLE, "")


def test_rows_with_a_hashed_key_are_read_again_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a hash that the log alone has, the source would find none though the row has come."""

    class People:
        key, columns = PEOPLE.columns[:1], PEOPLE.columns

        def __init__(self) -> None:
            self.rows = [("ada@shop", "same"), ("bob@shop", "old")]

        def chunks(self, _: int) -> Iterator[Chunk]:
            yield Chunk(list(self.rows), 9)

    source, scope = People(), Scope(PEOPLE, "salt")
    current = {}
    for row in [("ada@shop", "same"), ("bob@shop", "new"), ("eve@shop", "late")]:
        texts = {c.name: scope.text(c, value) for c, value in zip(PEOPLE.columns, row, strict=True)}
        last = Current(True, scope.fingerprint(texts), "1")
        current[scope.key_hash(texts)] = ((texts["mail"],), last)
    monkeypatch.setattr(rows, "all_current", lambda *_: current)
    comparison = rows._Comparison(scope, source, "")  # type: ignore[arg-type]
    comparison.read(10)
    comparison.look(None)  # type: ignore[arg-type]
    source.rows.append(("eve@shop", "late"))
    comparison.read_again()
    assert set(comparison._second) == set(comparison.looks) == set(list(current)[1:])
    assert {read.key for read in comparison._second.values()} == {
        key for key, _ in list(current.values())[1:]
    }
