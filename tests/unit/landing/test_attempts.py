"""How much is tried after what has failed: less and less, until it is one offset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.landing.attempts import LAST_ATTEMPT, Attempt, Attempts, Size, next_attempt
from ingestion.landing.layout import Partition
from ingestion.landing.plan import Start
from ingestion.landing.storage import Storage, open_storage

TOPIC = "retail.public.orders"
MOST = 1_000_000


def start(number: int, from_offset: int, until: int) -> Start:
    return Start(Partition("orders", 1, number), TOPIC, "A", from_offset, None, until)


BUSY, OTHER, IDLE = start(0, 5, 9), start(1, 7, 8), start(2, 3, 3)


def test_a_batch_that_fails_becomes_smaller_until_it_is_one_offset(tmp_path: Path) -> None:
    """Each attempt by a process of its own: what the one before knew is gone with it."""
    checkpoints = open_storage(str(tmp_path))
    sizes = []
    for number in range(1, 7):
        attempts = Attempts(checkpoints, ["orders"])
        attempt = next_attempt([BUSY, IDLE], attempts.tried(), MOST)
        assert (attempt.number, attempt.is_last) == (number, number == LAST_ATTEMPT)
        attempts.begin(attempts.tried(), attempt)
        sizes.append(attempt.size)
        assert attempt.starts == ((BUSY,) if attempt.size.is_alone else (BUSY, IDLE))
    assert sizes == [
        Size(MOST, 1000),
        Size(MOST, 100),
        Size(10_000, 1, is_alone=True),
        Size(100, 1, is_alone=True),
        Size(1, 1, is_alone=True),
        Size(1, 1, is_alone=True),
    ]


def test_partitions_that_failed_together_are_tried_one_by_one() -> None:
    tried = {(TOPIC, 0): (5, 2), (TOPIC, 1): (7, 2)}
    first = next_attempt([BUSY, OTHER, IDLE], tried, MOST)
    assert first.starts == (BUSY,)
    del tried[TOPIC, 0]
    rest = [replace(BUSY, from_offset=9), OTHER]
    assert next_attempt(rest, tried, MOST).starts == (OTHER,)
    more = [replace(BUSY, from_offset=6), OTHER]
    first = next_attempt(more, tried, MOST, suspects_wait=True)
    assert (first.starts, first.size) == ((more[0],), Size(MOST, 1000)), "who is not suspected"
    assert next_attempt(rest, tried, MOST, suspects_wait=True).starts == (OTHER,)


def sessions(checkpoints: Storage, count: int, bad: int | None) -> tuple[int, Attempt | None]:
    """How many it takes until all partitions are landed but for `bad`, which kills; and its last.

    Two plain kills have come before.
    """
    attempts = Attempts(checkpoints, ["orders"])
    waiting = {number: start(number, 5, 9) for number in range(count)}
    for _ in range(2):
        attempts.begin(attempts.tried(), next_attempt(waiting.values(), attempts.tried(), MOST))
    for number in range(1, 100):
        tried = attempts.tried()
        attempt = next_attempt(waiting.values(), tried, MOST, suspects_wait=number % 2 == 1)
        attempts.begin(tried, attempt)
        chosen = {each.partition.number for each in attempt.starts}
        if bad not in chosen:
            attempts.keep({p: t for p, t in tried.items() if p[1] not in chosen})
            waiting |= {n: start(n, 9, 9) for n in chosen}
        if attempt.is_last or all(each.until == each.from_offset for each in waiting.values()):
            return number, attempt if attempt.is_last else None
    raise AssertionError


@pytest.mark.parametrize(
    ("count", "plain", "most"), [(1, 1, 5), (2, 2, 5), (24, 2, 16), (300, 2, 28)]
)
def test_plain_kills_cost_few_sessions_and_a_bad_partition_is_found(
    count: int, plain: int, most: int, tmp_path: Path
) -> None:
    assert sessions(open_storage(str(tmp_path / "plain")), count, None) == (plain, None)
    for bad in {0, count // 3, count - 1}:
        found, last = sessions(open_storage(str(tmp_path / str(bad))), count, bad)
        assert found <= most
        assert last is not None
        assert [each.partition.number for each in last.starts] == [bad]
        assert last.size == Size(1, 1, is_alone=True)


def test_one_failure_where_it_has_come_on_is_not_the_last() -> None:
    for tried, last in (((5, 20), True), ((4, 20), False)):
        attempt = next_attempt([BUSY], {(TOPIC, 0): tried}, MOST)
        assert (attempt.size.max_offsets, attempt.is_last) == (1, last)


def test_who_comes_on_takes_more_again() -> None:
    for times, expected in ((1, 1), (2, 1), (5, 3)):
        tried = {(TOPIC, 0): (5, times)}
        assert next_attempt([replace(BUSY, from_offset=6)], tried, MOST).number == expected


def test_what_cannot_be_read_was_not_tried(tmp_path: Path) -> None:
    checkpoints = open_storage(str(tmp_path))
    attempts = Attempts(checkpoints, ["orders"])
    attempts.begin({}, next_attempt([BUSY], {}, MOST))
    (path,) = checkpoints.list_files("attempts")
    for garbage in (b"\x00", b"7", b"[[1]]"):
        checkpoints.put(path, garbage)
        assert attempts.tried() == {}
    attempts.begin({}, next_attempt([IDLE], {}, MOST))
    assert checkpoints.read(path) == b"[[1]]", "nothing is written where nothing is to be read"
