"""Where a change stands in its source's log, and the text of it that orders changes bytewise.

The text is `_cdc_position` (docs/semantics.md, "Position"); SQL makes the same of a record in
`macros/log/position_expression.sql`. Here it is made of numbers, and taken apart again, also in SQL
for DuckDB of whoever reads histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from ingestion.settings import ConnectorName


@dataclass(frozen=True, order=True)
class SqlServerPlace:
    """Place of a change in SQL Server's log. `change` and `serial` are None for a snapshot read."""

    commit: int
    change: int | None = None
    serial: int | None = None

    def __str__(self) -> str:
        return f"{lsn_text(self.commit)}:{lsn_text(self.change or 0)}:{self.serial or 0:016x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that a text spells; a read's change and serial are 0."""
        commit, change, serial = text[:22], text[23:45], text[46:]
        return cls(lsn_number(commit), lsn_number(change), int(serial, 16))

    def behind(self) -> Self:
        """A place behind this one, and before whatever the source does next."""
        return replace(self, serial=(self.serial or 0) + 1)


@dataclass(frozen=True, order=True)
class PostgresPlace:
    """Place of a change in PostgreSQL's log.

    `commit_before` is the LSN of the last commit that the connector saw, None until it has seen
    one; `order` the change's number in its transaction, None for a snapshot read.
    """

    lsn: int
    commit_before: int | None = None
    order: int | None = None

    def __str__(self) -> str:
        commit = self.lsn if self.commit_before is None else self.commit_before
        # a read that names a commit has no place of its own: it stands before what follows that
        is_read_behind = self.order is None and self.commit_before is not None
        return f"{commit:016x}:{0 if is_read_behind else self.lsn:016x}:{self.order or 0:016x}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that a text spells; a read's LSN is 0 if it named a commit."""
        commit, lsn, order = (int(part, 16) for part in text.split(":"))
        return cls(lsn, commit, order)

    def behind(self) -> Self:
        """A place behind this one, and before whatever the source does next."""
        if not self.lsn:
            return replace(self, lsn=1, order=0)
        return replace(self, order=(self.order or 0) + 1)


Place = SqlServerPlace | PostgresPlace
_PLACES: Mapping[ConnectorName, type[SqlServerPlace] | type[PostgresPlace]] = {
    "sqlserver": SqlServerPlace,
    "postgresql": PostgresPlace,
}


@dataclass(frozen=True)
class Position:
    """A place in the log of an epoch; its text is `_cdc_position`."""

    epoch: int
    place: Place

    def __str__(self) -> str:
        return f"{self.epoch:04d}:{self.place}"

    @classmethod
    def parse(cls, connector: ConnectorName, text: str) -> Self:
        """The position that a text of `connector` spells."""
        epoch, _, place = text.partition(":")
        return cls(int(epoch), _PLACES[connector].parse(place))


# Of a column `_cdc_position`: whether it was derived from a before image, which gives it zeros, and
# the place in the log without the number that the change has there.
IS_DERIVED = "_cdc_position like '0000%'"
LOG_PLACE = "regexp_replace(_cdc_position, ':[^:]*$', '')"


def lsn_text(number: int) -> str:
    """A log sequence number of SQL Server as Debezium spells it, `xxxxxxxx:xxxxxxxx:xxxx`."""
    return f"{number >> 48 & 0xFFFFFFFF:08x}:{number >> 16 & 0xFFFFFFFF:08x}:{number & 0xFFFF:04x}"


def lsn_number(text: str) -> int:
    """The number that `lsn_text` spells."""
    return int(text.replace(":", ""), 16)
