"""The worked histories of docs/semantics.md as seeds of the package's integration tests.

python -m tests.adapter.worked_seeds writes them; a test compares.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ingestion.declarations import Table
from tests.kit import reference
from tests.kit.declared import DECLARATIONS
from tests.kit.reference import Row
from tests.kit.worked import WorkedHistory, load

SEEDS = Path(__file__).parents[2] / "packages/cdc_history/integration_tests/seeds"


def texts() -> dict[str, str]:
    """The seeds, as name and content."""
    with tempfile.TemporaryDirectory() as folder:
        logs = [
            _Log(worked, Path(folder, str(worked.number)))
            for worked in load(DECLARATIONS)
            if worked.table.history == "all"
        ]
        logs = [log for log in logs if not log.lacks]
        last = max(run for log in logs for run, _ in log.changes)
        return {
            "worked_changes": _csv(row for log in logs for row in log.change_rows()),
            "expected_history": _csv(row for log in logs for row in log.history_rows(last)),
            "expected_dimension": _csv(row for log in logs for row in log.dimension_rows(last)),
        }


class _Log:
    """One worked history and its accepted changes, each with the run that reads it."""

    def __init__(self, worked: WorkedHistory, folder: Path) -> None:
        self._number, self._table = worked.number, worked.table
        runs = worked.changes_by_run(folder)
        self.changes = [(run, change) for run, found in enumerate(runs, 1) for change in found]
        rows = [row for _, c in self.changes for row in (c.row, c.before) if row is not None]
        self.lacks = any(c.lacks or c.before_lacks for _, c in self.changes if c.op != "d")
        """Whether images lack columns: here all columns are two texts, which cannot tell."""
        self._told = {n for n in range(len(rows[0])) if len({row[n] for row in rows}) > 1}

    def change_rows(self) -> Iterator[dict[str, object]]:
        for run, change in self.changes:
            yield {
                "run": run,
                **self._row(change.key, change.row),
                "tracked_before": self._text(change.before, tracked=True),
                "untracked_before": self._text(change.before, tracked=False),
                "position": change.position,
                "op": change.op,
                "is_commit_known": str(not change.is_floating).lower(),
                "is_absence": str(change.is_absence).lower(),
                "commit_name": change.commit,
                "committed_at": change.committed_at.isoformat(" "),
                "delivered_at": change.record.timestamp.isoformat(" "),
                "incarnation": change.record.incarnation,
                "landed_partition": change.record.partition,
                "landed_offset": change.record.offset,
            }

    def history_rows(self, last: int) -> Iterator[dict[str, object]]:
        for run in range(1, last + 1):
            for versions in self._history(run).values():
                for version in versions:
                    yield {
                        "after_run": run,
                        **self._row(version.key, version.row),
                        "position": version.position,
                        "op": version.op,
                        "valid_from": version.valid_from.isoformat(" "),
                        "valid_to": version.valid_to and version.valid_to.isoformat(" "),
                    }

    def dimension_rows(self, last: int) -> Iterator[dict[str, object]]:
        for run in range(1, last + 1):
            for versions in self._history(run).values():
                for version in reference.collapse(versions, self._table):
                    yield {
                        "after_run": run,
                        "worked": self._number,
                        "row_key": repr(version.key),
                        "tracked": self._text(version.row, tracked=True),
                        "valid_from": version.valid_from.isoformat(" "),
                        "valid_to": version.valid_to.isoformat(" "),
                    }

    def _history(self, run: int) -> dict[reference.Key, list[reference.HistoryRow]]:
        return reference.history(change for at, change in self.changes if at <= run)

    def _row(self, key: reference.Key, row: Row) -> dict[str, object]:
        return {
            "worked": self._number,
            "row_key": repr(key),
            "tracked": self._text(row, tracked=True),
            "untracked": self._text(row, tracked=False),
        }

    def _text(self, row: Row | None, *, tracked: bool) -> str | None:
        """What changes in this log, of the tracked columns or of the others."""
        if row is None:
            return None
        names = _tracked(self._table)
        shown = [
            f"{column.name}={value!s}"
            for number, (column, value) in enumerate(
                zip(self._table.landed_columns, row, strict=True)
            )
            if number in self._told and (column.name in names) == tracked
        ]
        return ", ".join(shown) or "as ever"


def _tracked(table: Table) -> Sequence[str]:
    return (*table.primary_key, *table.tracked_columns)


def _csv(rows: Iterable[dict[str, object]]) -> str:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    for name, text in texts().items():
        (SEEDS / f"{name}.csv").write_text(text, "utf-8")
