"""The audit misses no row change, invents none, and keeps their order."""

from __future__ import annotations

import psycopg2
import pytest

from ingestion.declarations import load
from playground.shop import schema
from tests.integration.shop.conftest import rows, run

INSERT = """
insert into product_categories
select key, 'name ' || key, null, '2026-03-01' from generate_series(1, 5) as key
"""
AUDIT = """
select operation, key ->> 'category_id', old_row ->> 'name', new_row ->> 'name'
from audit.changes order by sequence
"""


def test_every_declared_table_is_there_and_tells_whole_rows(empty_shop: str) -> None:
    found = rows(
        empty_shop,
        "select relname, relreplident from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname",
    )

    assert found == sorted((table.name, "f") for table in load().tables)


def test_making_the_tables_again_changes_nothing(empty_shop: str) -> None:
    run(empty_shop, INSERT)
    schema.create(empty_shop)

    assert len(rows(empty_shop, AUDIT)) == 5


def test_each_row_of_a_statement_is_a_change_in_its_order(empty_shop: str) -> None:
    run(
        empty_shop,
        INSERT,
        "update product_categories set name = upper(name) where category_id in (2, 4)",
        "delete from product_categories where category_id = 5",
    )

    assert rows(empty_shop, AUDIT) == [
        *(("c", str(key), None, f"name {key}") for key in range(1, 6)),
        ("u", "2", "name 2", "NAME 2"),
        ("u", "4", "name 4", "NAME 4"),
        ("d", "5", "name 5", None),
    ]


def test_images_stay_paired_where_a_statement_changes_many_keys(empty_shop: str) -> None:
    run(empty_shop, INSERT)
    run(empty_shop, "update product_categories set category_id = 100 - category_id")
    pairs = rows(
        empty_shop,
        "select (old_row ->> 'category_id')::int + (new_row ->> 'category_id')::int, "
        "old_row -> 'name' = new_row -> 'name', key -> 'category_id' = new_row -> 'category_id' "
        "from audit.changes where operation = 'u'",
    )

    assert pairs == [(100, True, True)] * 5


def test_what_is_rolled_back_leaves_nothing(empty_shop: str) -> None:
    run(
        empty_shop,
        INSERT,
        "savepoint here",
        "delete from product_categories",
        "rollback to savepoint here",
    )
    with pytest.raises(psycopg2.errors.DivisionByZero):
        run(empty_shop, "delete from product_categories", "select 1 / 0")

    assert {operation for operation, *_ in rows(empty_shop, AUDIT)} == {"c"}


def test_a_statement_that_meets_no_row_is_no_change(empty_shop: str) -> None:
    run(empty_shop, "update product_categories set name = 'x'", "delete from orders")

    assert rows(empty_shop, AUDIT) == []


def test_a_change_knows_its_transaction_and_when_it_was_committed(empty_shop: str) -> None:
    run(empty_shop, INSERT)
    run(empty_shop, "delete from product_categories where category_id = 1")
    transactions = rows(
        empty_shop,
        "select count(*), "
        "bool_and(pg_xact_commit_timestamp(transaction_id::xid) >= recorded_at) "
        "from audit.changes group by transaction_id order by min(sequence)",
    )

    assert transactions == [(5, True), (1, True)]


def test_decimals_and_times_keep_their_digits(empty_shop: str) -> None:
    run(
        empty_shop,
        "insert into payments values "
        "(1, 1, 'payment', 'card', 999999999999.90, 'EUR', '2026-03-01 08:00:00.000001', "
        "'2026-03-01 08:00:00.1')",
    )

    assert rows(
        empty_shop,
        "select new_row ->> 'amount', new_row ->> 'booked_at', new_row ->> 'updated_at' "
        "from audit.changes",
    ) == [("999999999999.90", "2026-03-01T08:00:00.000001", "2026-03-01T08:00:00.1")]


def test_truncate_is_refused(empty_shop: str) -> None:
    with pytest.raises(psycopg2.errors.RaiseException, match="delete from orders instead"):
        run(empty_shop, "truncate orders")
