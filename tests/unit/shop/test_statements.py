"""The SQL of the shop's statements."""

from __future__ import annotations

import json

import pytest

from ingestion.declarations import Table, load
from ingestion.errors import TerminalError
from playground.shop.schema import table_ddl
from playground.shop.statements import (
    Change,
    Delete,
    Insert,
    Rekey,
    Row,
    Undone,
    Update,
    execute,
    render,
)


@pytest.fixture(scope="module")
def addresses() -> Table:
    return load().table("customer_addresses")


ROWS: list[Row] = [
    {"customer_id": 1, "address_no": 2, "city": "Köln"},
    {"customer_id": 3, "address_no": 4, "city": "東京"},
]
KEYS: list[Row] = [
    {"old_customer_id": 1, "old_address_no": 2, "customer_id": 1, "address_no": 9},
    {"old_customer_id": 3, "old_address_no": 4, "customer_id": 3, "address_no": 9},
]


@pytest.mark.parametrize(
    ("change", "sql", "parameters"),
    [
        pytest.param(
            Insert("customer_addresses", ROWS[:1]),
            "insert into public.customer_addresses (customer_id, address_no, city) "
            "values (%s, %s, %s)",
            [1, 2, "Köln"],
            id="insert",
        ),
        pytest.param(
            Update("customer_addresses", ROWS[:1]),
            "update public.customer_addresses set city = %s "
            "where customer_id = %s and address_no = %s",
            ["Köln", 1, 2],
            id="update",
        ),
        pytest.param(
            Rekey("customer_addresses", KEYS[:1]),
            "update public.customer_addresses set customer_id = %s, address_no = %s "
            "where customer_id = %s and address_no = %s",
            [1, 9, 1, 2],
            id="key update",
        ),
        pytest.param(
            Delete("customer_addresses", ROWS[:1]),
            "delete from public.customer_addresses where customer_id = %s and address_no = %s",
            [1, 2],
            id="delete",
        ),
    ],
)
def test_one_row_is_plain_sql(
    addresses: Table, change: Change, sql: str, parameters: list[object]
) -> None:
    assert render(change, addresses) == (sql, parameters)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(Insert("customer_addresses", ROWS), id="insert"),
        pytest.param(Update("customer_addresses", ROWS), id="update"),
        pytest.param(Rekey("customer_addresses", KEYS), id="key update"),
        pytest.param(Delete("customer_addresses", ROWS), id="delete"),
    ],
)
def test_many_rows_are_one_parameter(addresses: Table, change: Change) -> None:
    sql, parameters = render(change, addresses)

    assert sql.count("%s") == 1
    assert [json.loads(str(parameter)) for parameter in parameters] == [change.rows]


class Cursor:
    """Notes what is executed; `met` rows are met by each statement."""

    def __init__(self, met: int) -> None:
        self.rowcount = met
        self.executed: list[str] = []

    def execute(self, query: str, _parameters: object = None) -> None:
        self.executed.append(query.split(maxsplit=1)[0])


def test_a_change_that_meets_other_rows_stops_the_simulator() -> None:
    with pytest.raises(TerminalError, match="update of 2 rows of customer_addresses met 1"):
        execute(Cursor(met=1), Update("customer_addresses", ROWS), load())  # type: ignore[arg-type]


def test_what_is_undone_happens_between_savepoint_and_rollback() -> None:
    cursor = Cursor(met=1)
    execute(cursor, Undone([Update("customer_addresses", ROWS[:1])]), load())  # type: ignore[arg-type]

    assert cursor.executed == ["savepoint", "update", "rollback"]


def test_tables_follow_from_the_declarations() -> None:
    ddl = table_ddl(load().table("customers"))

    assert "customer_id bigint not null" in ddl
    assert "email varchar(320)," in ddl
    assert "password_hash varchar(200)," in ddl, "what never leaves the shop is there"
    assert "created_at timestamp(6) without time zone not null" in ddl
    assert "primary key (customer_id)" in ddl
    assert ddl.endswith("alter table public.customers replica identity full;")
