"""What is said to SQL Server for its rows, word by word; the answers are recorded."""

from __future__ import annotations

import pytest

from ingestion.declarations import load
from ingestion.errors import TerminalError
from lakehouse.source.connectors import source_table
from lakehouse.source.database import Database
from lakehouse.source.rows import SourceRows, capture_behind, log_end, newest_commit
from tests.kit.recorded import recorded

DECLARED = load()


def rows_of(database: Database, name: str, *others: str) -> SourceRows:
    table = DECLARED.table(name)
    key = tuple(table.column(part) for part in table.primary_key)
    columns = key + tuple(table.column(other) for other in others)
    return SourceRows(database, source_table(DECLARED, table, "sqlserver"), key, columns)


def test_rows_are_read_in_chunks_behind_the_last_key() -> None:
    with recorded("chunks") as database:
        chunks = list(rows_of(database, "order_items", "quantity").chunks(2))
    assert [chunk.rows for chunk in chunks] == [[(7, 1, 3), (7, 2, 1)], [(9, 1, 2)]]
    assert [chunk.log_end for chunk in chunks] == [0x2A0000_0C780003, 0x2A0000_0C800001]


def test_rows_are_read_by_their_keys() -> None:
    with recorded("keys") as database:
        [chunk] = rows_of(database, "order_items").of([(7, 1), (9, 4)])
    assert chunk.rows == [(7, 1)]


def test_the_capture_is_behind_until_it_has_passed_the_end() -> None:
    with recorded("capture") as database:
        end = log_end(database)
        assert "at nothing" in capture_behind(database, end)
        assert "capture job" in capture_behind(database, end)
        assert not capture_behind(database, end)


def test_the_newest_commit_of_a_change_table() -> None:
    customers = source_table(DECLARED, DECLARED.table("customers"), "sqlserver")
    with recorded("newest commit") as database:
        assert newest_commit(database, customers) == (0x2A00000C780003, 2)
        assert newest_commit(database, customers) is None
        with pytest.raises(TerminalError, match=r"dbo\.Customers is not captured"):
            newest_commit(database, customers)
