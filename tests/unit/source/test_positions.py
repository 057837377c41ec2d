"""The text of a position orders as its numbers do, comes apart again, and leaves room behind it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.settings import ConnectorName
from lakehouse.source.positions import (
    Place,
    Position,
    PostgresPlace,
    SqlServerPlace,
    lsn_number,
    lsn_text,
)
from tests.kit.declared import CONNECTORS

# the log begins behind LSN 1, which is kept for what comes directly behind a read
NUMBERS = st.integers(2, 2**60)
LSNS = st.integers(1, 2**80 - 1)
PLACES: dict[ConnectorName, st.SearchStrategy[Place]] = {
    "sqlserver": st.builds(SqlServerPlace, LSNS) | st.builds(SqlServerPlace, LSNS, LSNS, NUMBERS),
    "postgresql": st.builds(PostgresPlace, NUMBERS)
    | st.builds(PostgresPlace, NUMBERS, NUMBERS)
    | st.builds(PostgresPlace, NUMBERS, NUMBERS, NUMBERS),
}


@pytest.mark.parametrize("connector", CONNECTORS)
def test_what_a_text_spells_has_the_same_text(connector: ConnectorName) -> None:
    @given(st.builds(Position, st.integers(1, 9999), PLACES[connector]))
    def spells(position: Position) -> None:
        text = str(position)
        assert str(Position.parse(connector, text)) == text

    spells()


@pytest.mark.parametrize("connector", CONNECTORS)
def test_behind_a_place_is_before_the_next_one(connector: ConnectorName) -> None:
    @given(PLACES[connector], PLACES[connector])
    def leaves_room(one: Place, other: Place) -> None:
        last, following = sorted([str(one), str(other)])
        behind = str(Position.parse(connector, f"0001:{last}").place.behind())
        assert last < behind
        if last.rpartition(":")[0] != following.rpartition(":")[0]:
            assert behind < following

    leaves_room()


@given(LSNS, LSNS)
def test_an_lsn_orders_as_its_number(one: int, other: int) -> None:
    assert (lsn_text(one) < lsn_text(other)) is (one < other)
    assert lsn_number(lsn_text(one)) == one
