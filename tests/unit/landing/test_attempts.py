"""How much is tried after what has failed: less and less, until it is one offset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingestion.landing.attempts import Attempts, Size, next_attempt
from ingestion.landing.layout import Partition
from ingestion.landing.plan import Start
from ingestion.landing.storage import open_storage

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
        assert attempt.number == number
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
    assert next_attempt([replace(BUSY, from_offset=9), OTHER], tried, MOST).starts == (OTHER,)


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
