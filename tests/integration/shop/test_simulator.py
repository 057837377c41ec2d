"""The shop trades as a shop does, reproducibly, and with all the cases that break pipelines."""

from __future__ import annotations

from datetime import datetime

import pytest

from ingestion.declarations import load
from ingestion.errors import TerminalError
from playground.services.postgres import PostgresServer
from playground.shop.simulator import RoundSummary, Shop
from playground.shop.stress import AWKWARD, Stress
from tests.integration.shop.conftest import SMALL, rows, shop_database

Traded = tuple[str, list[RoundSummary]]

# Transactions as the order of their first changes numbers them: their own numbers and times differ.
CONTENT = """
select sequence, dense_rank() over (order by first_of_transaction), table_name, operation, key,
    old_row, new_row
from (
    select *, min(sequence) over (partition by transaction_id) as first_of_transaction
    from audit.changes
) as changes
order by sequence
"""


def traded_content(dsn: str, seed: int) -> list[tuple[object, ...]]:
    with Shop(dsn, seed=seed, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        shop.round(1_500)
        with shop.transaction_left_open():
            shop.round(500)
    return rows(dsn, CONTENT)


def test_the_same_seed_makes_the_same_transactions(postgres: PostgresServer) -> None:
    with (
        shop_database(postgres) as one,
        shop_database(postgres) as two,
        shop_database(postgres) as other,
    ):
        first = traded_content(one, seed=11)

        assert traded_content(two, seed=11) == first
        assert traded_content(other, seed=12) != first


def test_a_summary_counts_what_the_audit_holds(traded: Traded) -> None:
    dsn, summaries = traded
    counted: dict[tuple[str, str], int] = {}
    for summary in summaries:
        for kind, count in summary.counts.items():
            counted[kind] = counted.get(kind, 0) + count
    found = rows(dsn, "select table_name, operation, count(*) from audit.changes group by 1, 2")

    assert {(table, operation): count for table, operation, count in found} == counted
    assert (
        sum(summary.transactions for summary in summaries)
        == rows(dsn, "select count(distinct transaction_id) from audit.changes")[0][0]
    )


def test_a_round_reaches_what_it_was_asked_for_and_is_mostly_updates_and_deletes(
    traded: Traded,
) -> None:
    summary = traded[1][1]

    assert 6_000 <= summary.changes < 7_000
    assert summary.updates_and_deletes > summary.changes / 2
    assert summary.rolled_back > 0


def test_all_tables_are_filled_and_all_but_stock_and_stores_see_every_operation(
    traded: Traded,
) -> None:
    changed = {kind for summary in traded[1] for kind in summary.counts}

    assert {table for table, operation in changed if operation == "c"} == {
        table.name for table in load().tables
    }
    assert {table for table, operation in changed if operation == "u"} == {
        table.name for table in load().tables if table.name != "inventory_movements"
    }
    assert {table for table, operation in changed if operation == "d"} >= {
        *("customers", "customer_addresses", "orders", "order_items", "payments"),
    }


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            """select from audit.changes where table_name = '{table}' and operation = 'u'
            and key <> (select jsonb_object_agg(name, old_row -> name)
                from jsonb_object_keys(key) as name)""".replace("{table}", table),
            id=f"key update of {table}",
        )
        for table in ("customers", "customer_addresses", "order_items")
    ]
    + [
        pytest.param(
            """select from audit.changes as gone inner join audit.changes as back
            on back.table_name = gone.table_name and back.key = gone.key
            and back.sequence > gone.sequence
            where gone.operation = 'd' and back.operation = 'c'
            and gone.transaction_id <> back.transaction_id""",
            id="deleted and inserted again",
        ),
        pytest.param(
            """select from audit.changes as gone inner join audit.changes as back
            on back.table_name = gone.table_name and back.key = gone.key
            and back.sequence > gone.sequence
            where gone.operation = 'd' and back.operation = 'c'
            and gone.transaction_id = back.transaction_id""",
            id="deleted and inserted in one transaction",
        ),
        pytest.param(
            """select from audit.changes where operation = 'u'
            group by table_name, key, transaction_id having count(*) > 1""",
            id="several updates of a row in one transaction",
        ),
        pytest.param(
            """select from audit.changes group by table_name, key,
            date_trunc('milliseconds', pg_xact_commit_timestamp(transaction_id::xid))
            having count(distinct transaction_id) > 1""",
            id="several transactions on a row in one millisecond",
        ),
        pytest.param(
            """select from audit.changes where operation = 'u' and old_row = new_row""",
            id="an update that changes nothing",
        ),
        pytest.param(
            """with spans as (
                select transaction_id, min(sequence) as first, max(sequence) as last
                from audit.changes group by transaction_id
            )
            select from spans as one inner join spans as other
            on other.first between one.first and one.last and other.last > one.last""",
            id="interleaved transactions",
        ),
        pytest.param(
            """with ends as (
                select transaction_id, min(sequence) as first,
                    max(pg_xact_commit_timestamp(transaction_id::xid)) as at
                from audit.changes group by transaction_id
            )
            select from ends as one inner join ends as other
            on other.first > one.first and other.at < one.at""",
            id="who begins first commits last",
        ),
        pytest.param(
            """select from audit.changes as customer
            inner join audit.changes as placed using (transaction_id)
            where customer.table_name = 'customers' and customer.operation = 'c'
            and placed.table_name = 'orders' and placed.operation = 'c'
            and placed.new_row -> 'customer_id' = customer.new_row -> 'customer_id'
            and placed.sequence > (select min(sequence) + 1000 from audit.changes)""",
            id="sign-up with the first order",
        ),
        pytest.param(
            """select from customers where erased_at is not null and email is null
            and first_name is null and phone is null and birth_date is null""",
            id="erasure",
        ),
        pytest.param("select from orders where customer_id is null", id="guest"),
        pytest.param(
            """select from audit.changes where table_name = 'orders' and operation = 'u'
            and old_row -> 'placed_at' <> new_row -> 'placed_at'""",
            id="corrected time of an order",
        ),
        pytest.param(
            """select from audit.changes where table_name = 'orders' and operation = 'u'
            and old_row -> 'customer_id' <> new_row -> 'customer_id'""",
            id="corrected customer of an order",
        ),
        pytest.param(
            """select from audit.changes where table_name = 'order_items'
            and (new_row ->> 'returned_quantity')::int
                between 1 and (new_row ->> 'quantity')::int - 1""",
            id="partial return",
        ),
        pytest.param(
            "select from audit.changes where table_name = 'payments' "
            "and (new_row ->> 'amount')::numeric < 0",
            id="refund",
        ),
        pytest.param(
            "select from audit.changes where table_name = 'order_items' "
            "and (new_row ->> 'quantity')::int < 0",
            id="negative quantity",
        ),
        pytest.param(
            "select from audit.changes where table_name = 'order_items' "
            "and (new_row ->> 'unit_price')::numeric = 9999999999.99",
            id="large amount",
        ),
        pytest.param(
            """select from orders inner join promotions
            on lower(orders.promotion_code) = lower(promotions.promotion_code)
            where orders.promotion_code <> promotions.promotion_code""",
            id="code typed in another case",
        ),
        pytest.param(
            """select from products where octet_length(description) > 2000""",
            id="text that is stored out of line",
        ),
        pytest.param(
            """select from audit.changes where table_name = 'customer_addresses'
            group by transaction_id
            having count(distinct key) > 1
            and bool_or(old_row -> 'is_default' = 'true' and new_row -> 'is_default' = 'false')
            and bool_or(old_row -> 'is_default' = 'false' and new_row -> 'is_default' = 'true')""",
            id="another default address",
        ),
    ],
)
def test_a_round_holds(traded: Traded, query: str) -> None:
    assert rows(traded[0], query)


def test_awkward_texts_are_everywhere(traded: Traded) -> None:
    found = rows(
        traded[0],
        "select distinct value from audit.changes, jsonb_each_text(new_row) "
        "where value is not null",
    )

    assert len({str(value) for (value,) in found}.intersection(AWKWARD)) > len(AWKWARD) / 2


def test_nothing_that_was_rolled_back_is_in_the_tables(traded: Traded) -> None:
    """The audit's last images are the tables: nothing bypasses it, nothing undone is in it."""
    for table in load().tables:
        latest = rows(
            traded[0],
            f"""
            with events as (
                select sequence, key, new_row from audit.changes where table_name = '{table.name}'
                union all
                select sequence, (select jsonb_object_agg(name, old_row -> name)
                    from jsonb_object_keys(key) as name), null
                from audit.changes
                where table_name = '{table.name}' and operation = 'u'
            )
            select new_row::text from (
                select distinct on (key) new_row from events
                order by key, sequence desc, new_row nulls last
            ) as latest where new_row is not null
            """,
        )
        current = rows(traded[0], f"select to_jsonb(row)::text from {table.name} as row")

        assert sorted(map(str, latest)) == sorted(map(str, current)), table.name


def test_a_transaction_left_open_is_seen_when_it_is_committed(empty_shop: str) -> None:
    with Shop(empty_shop, seed=2, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        before = len(rows(empty_shop, CONTENT))
        with shop.transaction_left_open():
            assert len(rows(empty_shop, CONTENT)) == before
            shop.round(300)
        counted = rows(
            empty_shop,
            f"select count(*) from audit.changes where transaction_id = (select transaction_id "
            f"from audit.changes where sequence > {before} order by sequence limit 1)",
        )

    ((changes,),) = counted
    assert isinstance(changes, int)
    assert changes > 6


def test_a_transaction_left_open_is_undone_by_an_exception(empty_shop: str) -> None:
    with Shop(empty_shop, seed=2, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        before = rows(empty_shop, CONTENT)
        with pytest.raises(ZeroDivisionError), shop.transaction_left_open():
            raise ZeroDivisionError
        after = rows(empty_shop, CONTENT)
        shop.round(300)  # the keys are free again

    assert after == before


def test_another_process_goes_on_in_a_shop_that_is_open(empty_shop: str) -> None:
    with Shop(empty_shop, seed=2, scale=SMALL, market=Stress()) as shop:
        shop.seed()
        shop.round(500)
    with Shop(empty_shop, seed=2, market=Stress()) as again:
        summary = again.round(500, at=datetime(2030, 1, 1))

    assert summary.changes >= 500
    ((latest,),) = rows(empty_shop, "select max(updated_at) from orders")
    assert str(latest) > "2030-01-01"


def test_an_open_shop_is_not_opened_twice(traded: Traded) -> None:
    with (
        Shop(traded[0], market=Stress()) as shop,
        pytest.raises(TerminalError, match="open already"),
    ):
        shop.seed()
