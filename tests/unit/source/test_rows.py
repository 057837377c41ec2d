"""What is said to SQL Server for its rows, word by word; the answers are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingestion.declarations import load
from ingestion.errors import TerminalError
from lakehouse.source.connectors import source_table
from lakehouse.source.database import Database
from lakehouse.source.rows import SourceRows, capture_behind, log_end, newest_commit

RECORDED = yaml.safe_load(Path(__file__).with_name("sqlserver_rows.yml").read_text("utf-8"))
DECLARED = load()


class Recorded(Database):
    """Answers what the file has under a heading, in that order, and refuses every other word."""

    def __init__(self, heading: str) -> None:
        super().__init__("sqlserver", [dict(said) for said in RECORDED[heading]], (), ())

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        wanted = self.connection.pop(0)
        assert statement == wanted["statement"]
        assert list(parameters) == wanted.get("parameters", [])
        return [tuple(row) for row in wanted["answer"]]

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        self.rows("begin")
        yield
        self.rows("end")


@contextmanager
def recorded(heading: str) -> Iterator[Recorded]:
    database = Recorded(heading)
    yield database
    assert not database.connection


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
