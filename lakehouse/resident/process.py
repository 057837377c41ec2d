"""The loop of `lakehouse run`: what has landed is built, published, tested; then it waits for more.

Nothing here is remembered over an end: a start builds everything that is behind, so it does not
matter how the process before it ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ingestion.errors import OutageError
from lakehouse import dbt
from lakehouse.resident.publication import Publication
from lakehouse.resident.trigger import Trigger

_LOOK_EVERY_SECONDS = 0.05
_LOOK_FOR_EDITS_EVERY_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
# A start costs seconds and no data: memory that something has lost comes back with it.
_RUNS = 1_000
_GROWN = 1.5
_MAY_GROW_BYTES = 1 << 29
_SETTLED_AFTER_RUNS = 10
_WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
_VIEWS = "config.materialized:view"
# Debezium's notifications have no log: the model that reads them.
_READS = {"debezium_notification": "stg_debezium__table_scans"}


@dataclass
class Pause:
    """Longer each time, up to a minute."""

    until: float = 0.0
    _seconds: float = 0.5

    def lengthen(self) -> None:
        """Once more in vain."""
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE_SECONDS)
        self.until = time.monotonic() + self._seconds

    @property
    def is_over(self) -> bool:
        """Whether it is time to try again."""
        return time.monotonic() >= self.until


@dataclass
class Resident:
    """One process that owns the warehouse file.

    Args:
        tables: those that have a log.
        tests_every: seconds between the data tests of what was touched.
    """

    tables: frozenset[str]
    trigger: Trigger
    publication: Publication
    tests_every: float
    say: Callable[[str], None]
    stopping: Event
    _whole: bool = True
    """Everything is to be built, views and seeds too."""
    _moved: set[str] = field(default_factory=set)
    """Tables that have landed records which no run has read."""
    _owed: set[str] = field(default_factory=set)
    """Nodes that were left out because something that they stand on failed."""
    _aside: dict[str, Pause] = field(default_factory=dict)
    """Nodes that failed; the others are built without them until their pause is over."""
    _copy_whole: bool = True
    """What is published has other tables, or none: it cannot be brought forward."""
    _problem: Pause = field(default_factory=Pause)
    _touched: set[str] = field(default_factory=set)
    """Tables whose data tests are due."""
    _keys: dict[str, list[str]] = field(default_factory=dict)
    _runs: int = 0
    _settled_bytes: int = 0

    def run(self) -> bool:
        """Return when it is to stop, False; or to start anew, True."""
        tested_at = looked_at = time.monotonic()
        while not self.stopping.is_set():
            if time.monotonic() - looked_at > _LOOK_FOR_EDITS_EVERY_SECONDS:
                looked_at = time.monotonic()
                if self.trigger.edited():
                    self._whole, self._problem = True, Pause()
                    self._aside.clear()
            self._moved |= self._looked()
            if self._problem.is_over and self._has_work():
                self._pass()
            elif self._touched and time.monotonic() - tested_at > self.tests_every:
                self._test()
                tested_at = time.monotonic()
            else:
                self.stopping.wait(_LOOK_EVERY_SECONDS)
                if self._runs >= _RUNS or self._has_grown():
                    self.say(f"starts anew after {self._runs} runs")
                    return True
        return False

    def _looked(self) -> set[str]:
        """The tables that have moved; none while the landing zone is away."""
        try:
            return self.trigger.moved() & (self.tables | _READS.keys())
        except OutageError as error:
            self._problem.lengthen()
            self.say(str(error))
            self.stopping.wait(1)
            return set()

    def _has_work(self) -> bool:
        is_due = any(pause.is_over for pause in self._aside.values())
        return self._whole or bool(self._moved or self._owed) or is_due

    def _pass(self) -> None:
        """Build what is due. Where something fails, the next pass is without it, and publishes."""
        began = time.monotonic()
        whole, moved, owed = self._whole, self._moved, self._owed
        outcome = self._invoke("build", *_WITHOUT_TESTS, *self._selection())
        if outcome.problem:
            # whatever was built of it, everything is looked at again
            self._whole = True
            self._problem.lengthen()
            self.say(f"nothing was published: {outcome.problem}")
            return
        self._whole, self._moved, self._problem = False, set(), Pause()
        self._copy_whole |= whole
        self._touched |= self.tables if whole else moved
        for node in outcome.built:
            self._aside.pop(node, None)
        for node, message in outcome.failed.items():
            self._aside.setdefault(node, Pause()).lengthen()
            self.say(f"{node} failed, the others go on without it: {message}")
        self._owed = set(outcome.skipped)
        if not self._owed:
            self._publish()
            what = "everything" if whole else ", ".join(sorted(moved | owed)) or "what had failed"
            self.say(f"{what}: built and published in {time.monotonic() - began:.2f} s")

    def _selection(self) -> list[str]:
        """What dbt is to build: the tables that moved with all that stands on them."""
        waits = {node for node, pause in self._aside.items() if not pause.is_over}
        excluded = ["--exclude", *waits] if waits else []
        if self._whole:
            return excluded
        moved = {f"{_READS.get(table, f'{table}__log')}+" for table in self._moved}
        # what had failed may have left views out
        again = self._owed | {f"{node}+" for node in self._aside.keys() - waits}
        if not again:
            excluded = ["--exclude", _VIEWS, *waits]
        return ["--select", *moved, *again, *excluded]

    def _publish(self) -> None:
        if self._copy_whole:
            self._keys = dbt.keys()
        with dbt.connection() as connection:
            if self._copy_whole:
                self.publication.whole(connection)
            else:
                self.publication.forward(connection, self._keys)
        self._copy_whole = False

    def _test(self) -> None:
        """Run the data tests of what was touched; a run of its own, which keeps what they saw."""
        logs = [f"{_READS.get(table, f'{table}__log')}+" for table in sorted(self._touched)]
        began = time.monotonic()
        outcome = self._invoke("build", "--resource-type", "test", "--select", *logs)
        self._touched = set()
        for test, message in outcome.failed.items():
            self.say(f"{test} failed: {message}")
        self.say(
            outcome.problem
            or f"{len(outcome.built)} data tests in {time.monotonic() - began:.1f} s"
        )
        if not outcome.problem and not self._owed and not self._copy_whole:
            self._publish()

    def _invoke(self, *arguments: str) -> dbt.Outcome:
        self._runs += 1
        return dbt.invoke(*arguments)

    def _has_grown(self) -> bool:
        if self._runs < _SETTLED_AFTER_RUNS:
            return False
        self._settled_bytes = self._settled_bytes or _resident_bytes()
        return _resident_bytes() > _GROWN * self._settled_bytes + _MAY_GROW_BYTES


def _resident_bytes() -> int:
    """The memory that this process holds; 0 where the system does not tell."""
    statistics = Path("/proc/self/statm")
    pages = int(statistics.read_text("ascii").split()[1]) if statistics.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
