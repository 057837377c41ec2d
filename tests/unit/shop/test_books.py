"""The simulator's books: pools of keys, and drafts that take keys out of them."""

from __future__ import annotations

from datetime import datetime
from random import Random

import pytest

from playground.shop.books import Books, Draft, NothingToDoError, Pool, hundredths, money
from playground.shop.statements import Delete, Insert
from playground.shop.stress import Stress


@pytest.fixture
def books() -> Books:
    return Books(Stress(), Random(1), lambda _query, _parameters: [], datetime(2026, 1, 1))


def test_a_pool_holds_each_key_once() -> None:
    pool = Pool([1, 2, 3])
    pool.add(2)
    pool.remove(1)

    assert len(pool) == 2
    assert 1 not in pool
    assert {pool.pick(Random(seed)) for seed in range(20)} == {2, 3}


def test_an_empty_pool_has_nothing_to_do() -> None:
    with pytest.raises(NothingToDoError):
        Pool().pick(Random(1))


def test_what_a_draft_holds_nobody_else_can_take(books: Books) -> None:
    books.placed.add(7)
    draft = Draft(books)

    assert draft.hold(books.placed, books.paid) == 7
    with pytest.raises(NothingToDoError):
        Draft(books).hold(books.placed, books.paid)


def test_a_commit_moves_keys_on_and_a_rollback_puts_them_back(books: Books) -> None:
    books.placed.add(7)
    undone = Draft(books)
    undone.hold(books.placed, books.paid)
    undone.bear(8, books.placed)
    undone.bury([("orders", [{"order_id": 7}])])
    undone.rolled_back()

    assert (7 in books.placed, 8 in books.placed, books.graveyard) == (True, False, [])

    done = Draft(books)
    done.hold(books.placed, books.paid)
    done.bear(8, books.placed)
    done.bury([("orders", [{"order_id": 7}])])
    done.committed()

    assert (7 in books.placed, 7 in books.paid, 8 in books.placed) == (False, True, True)
    assert books.graveyard == [[("orders", [{"order_id": 7}])]]


def test_the_same_number_in_two_pools_is_two_keys(books: Books) -> None:
    books.customers.add(7)
    books.placed.add(7)
    draft = Draft(books)
    draft.hold(books.customers, None)
    draft.hold(books.placed, books.placed)
    draft.committed()

    assert (7 in books.customers, 7 in books.placed) == (False, True)


def test_a_statement_without_rows_is_left_out(books: Books) -> None:
    draft = Draft(books)
    draft.add(Insert("payments", []))
    draft.add(Delete("payments", [{"payment_id": 1}]))

    assert draft.statements == [Delete("payments", [{"payment_id": 1}])]


def test_time_only_moves_forward(books: Books) -> None:
    times = [books.now() for _ in range(100)]

    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (1234, "12.34"), (999_999_999_999, "9999999999.99")],
)
def test_hundredths_become_decimal_text(amount: int, text: str) -> None:
    assert money(amount) == text


def test_decimals_become_hundredths() -> None:
    from decimal import Decimal

    assert hundredths(Decimal("-12.30")) == -1230
