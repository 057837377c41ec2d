"""Statements with their reasons: shown, then sent unless this is a dry run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lakehouse.warehouse.catalog import Connection


@dataclass(frozen=True)
class Statement:
    """A statement and why it is sent."""

    why: str
    sql: str

    def __str__(self) -> str:
        return f"-- {self.why}\n{self.sql};"


@dataclass
class Plan:
    """What an operation does on a warehouse; `show` gets each statement before it is sent."""

    warehouse: Connection
    dry_run: bool
    show: Callable[[Statement], None]
    statements: list[Statement] = field(default_factory=list)

    def carry_out(self, *statements: Statement) -> None:
        """Show each statement, and send it, outside a transaction, unless this is a dry run.

        Raises:
            TerminalError: Redshift refuses one; those before it are sent.
        """
        for statement in statements:
            self.show(statement)
            self.statements.append(statement)
            if not self.dry_run:
                self.warehouse.run(statement.sql)
