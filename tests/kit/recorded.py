"""A SQL Server that answers what sqlserver_rows.yml has under a heading, in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lakehouse.source.database import Database

FILE = Path(__file__).with_name("sqlserver_rows.yml")


class Recorded(Database):
    """It refuses every other statement."""

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The recorded answer."""
        wanted = self.connection.pop(0)
        assert statement == wanted["statement"]
        assert list(parameters) == wanted.get("parameters", [])
        return [tuple(row) for row in wanted["answer"]]

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Between two words of the file."""
        self.rows("begin")
        yield
        self.rows("end")


@contextmanager
def recorded(heading: str) -> Iterator[Recorded]:
    """The database; at the end everything has been said."""
    said = yaml.safe_load(FILE.read_text("utf-8"))[heading]
    database = Recorded("sqlserver", said, (), ())
    yield database
    assert not database.connection
