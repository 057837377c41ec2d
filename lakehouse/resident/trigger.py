"""What there is to build: tables whose ledger has moved, and a project that was edited."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ingestion.landing.ledger import Ledger
from ingestion.landing.storage import Storage

# Commits that nobody read for a day are removed, so the ledger is read anew now and then.
_READ_ANEW_SECONDS = 60.0
# What dbt reads; a folder that is not there holds nothing.
_PROJECT = (
    *("dbt_project.yml", "profiles.yml", "models", "macros", "snapshots", "seeds"),
    *("dbt_packages", "tests/data"),
)


class Trigger:
    """Looks at the ledger of a landing zone and at the project's files."""

    def __init__(self, storage: Storage, project: Path) -> None:
        self._ledger = Ledger(storage)
        self._project = project
        self._read_at = time.monotonic()
        self._files = dict(_files(project))

    def moved(self) -> set[str]:
        """The tables that have new offsets since the last call."""
        is_late = time.monotonic() - self._read_at > _READ_ANEW_SECONDS
        if not is_late and not self._ledger.has_more():
            return set()
        before = self._ledger.progress.positions
        self._ledger.refresh()
        self._read_at = time.monotonic()
        return {
            partition.table
            for partition, position in self._ledger.progress.positions.items()
            if partition not in before or before[partition].until_offset != position.until_offset
        }

    def edited(self) -> bool:
        """Whether a file of the project is another one than at the last call."""
        before, self._files = self._files, dict(_files(self._project))
        return self._files != before


def _files(project: Path) -> Iterator[tuple[str, int]]:
    for name in _PROJECT:
        if (project / name).is_file():
            yield name, (project / name).stat().st_mtime_ns
        for where, _, files in os.walk(project / name):
            for file in files:
                with suppress(FileNotFoundError):
                    path = Path(where, file)
                    yield str(path), path.stat().st_mtime_ns
