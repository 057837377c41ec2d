"""Properties of the reference model itself, for any log: it is a definition and has to be total."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ingestion.settings import ConnectorName
from lakehouse.source.envelopes import Value
from tests.kit import reference
from tests.kit.declared import DECLARATIONS
from tests.kit.landing import Delivery
from tests.kit.logs import TABLES, as_page, complete, complete_with_rows, logs, worked_log
from tests.kit.reference import BEGINNING_OF_TIME, Change, HistoryRow, Record
from tests.kit.worked import WorkedHistory

Histories = dict[tuple[Value, ...], list[HistoryRow]]
thorough = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def records(log: WorkedHistory) -> list[Record]:
    """The log's records, each partition's offsets in the order of arrival."""
    ends: Counter[tuple[int, int]] = Counter()
    found = []
    for _, delivery in log.deliveries():
        place = (delivery.incarnation, delivery.partition)
        found.append(_record(delivery, ends[place]))
        ends[place] += 1
    return found


def _record(delivery: Delivery, offset: int) -> Record:
    timestamp = datetime(1970, 1, 1) + timedelta(milliseconds=delivery.timestamp_ms)
    place = (delivery.incarnation, delivery.partition, offset)
    return Record("t", *place, timestamp, delivery.key, delivery.value)


def accepted(log: WorkedHistory) -> list[Change]:
    verdicts = [reference.judge(record, log.table, log.source) for record in records(log)]
    return [verdict for verdict in verdicts if isinstance(verdict, Change)]


@given(logs(DECLARATIONS), st.randoms(use_true_random=False))
@thorough
def test_order_and_repetition_of_arrival_make_no_difference(
    log: WorkedHistory, random: Random
) -> None:
    changes = accepted(log)
    shuffled = [*changes, *random.sample(changes, k=len(changes) // 2)]
    random.shuffle(shuffled)
    assert reference.history(shuffled) == reference.history(changes)


@given(logs(DECLARATIONS))
@thorough
def test_intervals_are_whole(log: WorkedHistory) -> None:
    for rows in reference.history(accepted(log)).values():
        event(f"{len(rows)} rows")
        assert rows[-1].valid_to is None
        for row, following in pairwise(rows):
            assert row.valid_to == following.valid_from
            assert row.valid_from <= following.valid_from
            assert (row.order, "dcur".index(row.op)) < (
                following.order,
                "dcur".index(following.op),
            )
        assert (rows[0].valid_from == BEGINNING_OF_TIME) == (rows[0].op == "r")


@given(logs(DECLARATIONS))
@thorough
def test_every_commit_has_one_row(log: WorkedHistory) -> None:
    changes = accepted(log)
    commits = {(c.key, c.position, c.op) for c in changes if c.is_streamed}
    absences = {(c.key, c.position, c.op) for c in changes if c.is_absence}
    rows = [row for rows in reference.history(changes).values() for row in rows]
    told = [(row.key, row.position, row.op) for row in rows if row.op != "r"]
    streamed = [row for row in told if row not in absences]
    assert sorted(streamed, key=str) == sorted(commits, key=str)
    ids = [reference.version_id(row, log.table) for row in rows]
    assert len(set(ids)) == len(ids)


@given(st.data())
@thorough
def test_an_absence_ends_no_row_that_lives(data: st.DataObject) -> None:
    connector: ConnectorName = data.draw(st.sampled_from(["sqlserver", "postgresql"]))
    table = data.draw(st.sampled_from(TABLES))
    events, living = data.draw(complete_with_rows(connector, table))
    log = worked_log(connector, DECLARATIONS, table, tuple({"run": "1", **e} for e in events))
    changes = accepted(log)
    event(f"absences: {sum(change.is_absence for change in changes) > 0}")
    histories = reference.history(changes)
    for key in living:
        assert not histories[log.key(key)][-1].is_deleted, as_page(log)


@given(logs(DECLARATIONS))
@thorough
def test_current_state_is_the_end_of_history(log: WorkedHistory) -> None:
    changes = accepted(log)
    ends = {key: reference.current_row(rows) for key, rows in reference.history(changes).items()}
    assert reference.current_rows(changes, log.table) == {
        key: reference.CurrentRow(end.row, end.is_deleted) for key, end in ends.items()
    }


@given(logs(DECLARATIONS))
@thorough
def test_a_fact_belongs_to_one_version_that_is_there(log: WorkedHistory) -> None:
    histories = reference.history(accepted(log))
    dimension = {key: reference.collapse(rows, log.table) for key, rows in histories.items()}
    for key, versions in dimension.items():
        assert sum(version.is_current for version in versions) <= 1
        for version, following in pairwise(versions):
            assert version.valid_from < version.valid_to <= following.valid_from
        if versions:
            assert versions[0].valid_from == BEGINNING_OF_TIME
        for moment in {row.valid_from for row in histories[key]}:
            member = reference.bind(key, moment, dimension)
            assert member in versions or (not versions and member == reference.INFERRED_MEMBER)


@st.composite
def complete_logs(draw: st.DrawFn) -> WorkedHistory:
    """Logs of which nothing was lost and nothing was delivered with other values."""
    connector: ConnectorName = draw(st.sampled_from(["sqlserver", "postgresql"]))
    table = draw(st.sampled_from(TABLES))
    events: list[dict[str, Any]] = draw(complete(connector, table, is_flawless=True))
    lines = tuple({"run": "1", **line} for line in draw(st.permutations(events)))
    return worked_log(connector, DECLARATIONS, table, lines)


def has_doubtful_reads(changes: list[Change], key: tuple[Value, ...]) -> bool:
    """Whether reads in a row differ, or one stands before an image that does not carry all."""
    ordered = reference.in_order(change for change in changes if change.key == key)
    return any(
        a.op == "r" and (a.row != b.row if b.op == "r" else bool(b.before_lacks))
        for a, b in pairwise(ordered)
    )


@given(complete_logs())
@settings(thorough, max_examples=300)
def test_a_complete_log_gives_what_happened(log: WorkedHistory) -> None:
    check_complete(log)


@pytest.mark.long
@given(complete_logs())
@settings(thorough, max_examples=10_000, derandomize=False)
def test_other_complete_logs_give_what_happened(log: WorkedHistory) -> None:
    check_complete(log)


def check_complete(log: WorkedHistory) -> None:
    """Of a complete log history is the commits; a read can only be the version before the first.

    Not so where two reads in a row saw different rows, or a read stands before a change whose
    before image does not carry every column: documented limits.
    """
    changes = accepted(log)
    for key, rows in reference.history(changes).items():
        if has_doubtful_reads(changes, key):
            continue
        assert all(row.op != "r" for row in rows[1:]), as_page(log)
        known = [row for row in rows if row.before is not None]
        breaks = reference.chain_breaks(rows)
        assert not breaks, as_page(log)
        event("chained" if known else "no before image")
