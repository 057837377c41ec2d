"""The macros that every engine has to answer alike, rendered in plain Python and run on DuckDB."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import jinja2
import pytest
import sqlglot
from babel.core import get_global
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.dbt import ROOT

SOURCES = [*sorted((ROOT / "macros/marts").glob("*.sql")), ROOT / "macros/engine/functions.sql"]


class RefusalError(Exception):
    """What dbt raises as a compiler error."""


@cache
def macros(engine: str) -> Any:
    """The macros of the marts as Python functions that give SQL, dispatched to `engine`."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
    template = environment.from_string("\n".join(path.read_text("utf-8") for path in SOURCES))
    found: dict[str, Any] = {}

    class Adapter:
        def dispatch(self, name: str) -> Any:
            return getattr(found["module"], f"{engine}__{name}")

    class Exceptions:
        def raise_compiler_error(self, message: str) -> None:
            raise RefusalError(message)

    found["module"] = template.make_module(
        {"adapter": Adapter(), "exceptions": Exceptions(), "return": lambda value: value}
    )
    return found["module"]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def decimals(digits: int) -> st.SearchStrategy[Decimal]:
    return st.integers(-(10**digits), 10**digits).map(lambda units: Decimal(units).scaleb(-4))


def test_a_table_is_called_in_its_topic_as_debezium_calls_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    names = ["dbo.Order Details", "dbo.CRONUS$Item", "a-b.c_d", "größe.[x]"]
    rows = connection.execute(
        f"select {macros('duckdb').in_topic('name')} from (select unnest(?) as name)", [names]
    ).fetchall()
    assert [topic for (topic,) in rows] == [
        *("dbo.Order_Details", "dbo.CRONUS_Item", "a-b.c_d", "gr__e._x_")
    ]


@settings(max_examples=200, deadline=None)
@given(
    numerator=decimals(30), denominator=decimals(12) | st.just(Decimal(0)), scale=st.integers(0, 4)
)
def test_division_is_exact_and_rounds_half_away_from_zero(
    connection: duckdb.DuckDBPyConnection, numerator: Decimal, denominator: Decimal, scale: int
) -> None:
    expression = macros("duckdb").divide("a", "b", 38, scale)
    with localcontext() as context:
        context.prec = 100
        expected = (
            None
            if denominator == 0
            else (numerator / denominator).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        )
    rows = connection.execute(
        f"select {expression} from (select ?::decimal(38, 4) as a, ?::decimal(38, 4) as b)",
        [str(numerator), str(denominator)],
    ).fetchall()
    assert rows == [(expected,)]


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [("5", "2", 3), ("-5", "2", -3), ("5", "-2", -3), ("4.9999", "2", 2), ("7", "0", None)],
)
def test_division_rounds_to_whole_numbers(
    connection: duckdb.DuckDBPyConnection, numerator: str, denominator: str, quotient: int | None
) -> None:
    expression = macros("duckdb").divide(numerator, denominator, 9, 0)
    assert connection.execute(f"select {expression}").fetchone() == (quotient,)


@pytest.mark.parametrize(("precision", "scale"), [(9, 5), (2, 2), (39, 2), (9, -1)])
def test_division_refuses_a_type_that_it_cannot_give(precision: int, scale: int) -> None:
    with pytest.raises(RefusalError, match="allowed: scale 0 to 4"):
        macros("duckdb").divide("a", "b", precision, scale)


@pytest.mark.parametrize("engine", ["duckdb", "redshift"])
@pytest.mark.parametrize(
    "call",
    [("divide", "a", "b", 38, 2), ("divide", "a", "b", 9, 0), ("local_date", "at", "zone")],
    ids=["divide", "divide to whole numbers", "local_date"],
)
def test_each_engine_has_a_body_that_it_can_parse(engine: str, call: tuple[Any, ...]) -> None:
    name, *arguments = call
    sqlglot.parse_one(f"select {getattr(macros(engine), name)(*arguments)}", read=engine)


def test_time_zones_are_those_of_iana_and_of_windows(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with (ROOT / "seeds/time_zones.csv").open(encoding="utf-8") as file:
        rows = [(row["name"], row["time_zone"]) for row in csv.DictReader(file)]
    assert rows == sorted(set(rows)) and len(dict(rows)) == len(rows) > 600
    iana = {name for name, zone in rows if name == zone}
    windows = get_global("windows_zone_mapping")
    assert dict(rows).items() >= windows.items() - {("UTC", "Etc/UTC")}
    assert {name for name, _ in rows} == iana | set(windows)
    known = connection.execute("select name from pg_timezone_names()").fetchall()
    zones = {zone for _, zone in rows}
    assert zones <= available_timezones() and zones <= {name for (name,) in known}


@settings(max_examples=100, deadline=None)
@given(
    moment=st.datetimes(datetime(2015, 1, 1), datetime(2025, 1, 1)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]),
)
def test_local_day_is_that_of_the_time_zone(
    connection: duckdb.DuckDBPyConnection, moment: datetime, zone: str
) -> None:
    expression = macros("duckdb").local_date("moment", "zone")
    rows = connection.execute(
        f"select {expression} from (select ?::timestamp as moment, ? as zone)", [moment, zone]
    ).fetchall()
    assert rows == [(moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date(),)]


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        (datetime(1, 1, 1), "America/New_York", date(1, 1, 1)),
        (datetime(9999, 12, 31, 23), "Pacific/Kiritimati", date(9999, 12, 31)),
        (None, "UTC", None),
    ],
)
def test_days_at_the_ends_of_time_are_dates(
    connection: duckdb.DuckDBPyConnection, moment: datetime | None, zone: str, day: date | None
) -> None:
    expression = macros("duckdb").local_date("moment", "zone")
    rows = connection.execute(
        f"select {expression} from (select ?::timestamp as moment, ? as zone)", [moment, zone]
    ).fetchall()
    assert rows == [(day,)]
