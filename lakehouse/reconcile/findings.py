"""What reconciliation finds, as values, and the sentence that explains each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any, Literal

from ingestion.declarations import Table
from lakehouse.reconcile.scope import key_text

Kind = Literal[
    "missing key",
    "extra key",
    "missing version",
    "extra version",
    "wrong order",
    "wrong operation",
    "wrong value",
    "wrong commit time",
    "missing row",
    "extra row",
    "wrong row",
]

NOTHING = "—"


@dataclass(frozen=True)
class Version:
    """One version of a row."""

    operation: str
    """r, c, u or d."""
    committed_ms: int | None
    """Commit time in milliseconds since 1970 (UTC), where it is known."""
    values: tuple[object, ...]
    """The row's values; of a delete the last ones."""


@dataclass(frozen=True)
class Difference:
    """A key on which source and warehouse disagree, with what either says there."""

    key: str
    kind: Kind
    source: str
    warehouse: str


@dataclass(frozen=True)
class HistoryReport:
    """The comparison of the history of one table."""

    table: str
    source_versions: int
    warehouse_versions: int
    before_capture: int
    """Source versions from before the capture began, which the warehouse cannot know."""
    differing_keys: int
    differences: tuple[Difference, ...]
    """The first differing keys, at most 20."""


@dataclass(frozen=True)
class MartReport:
    """The comparison of one mart."""

    mart: str
    source_rows: int
    warehouse_rows: int
    differing_rows: int
    differences: tuple[Difference, ...]
    """The first differing rows, at most 20."""


@dataclass(frozen=True)
class LostDelete:
    """A row that is gone from the source: its last known values and their position."""

    table: Table
    row: Mapping[str, Any]
    """Landed columns and values, as DuckDB gives them."""
    position: str
    """`_cdc_position` of the last version that the warehouse knows."""

    @property
    def key(self) -> str:
        """The key as people read it."""
        names = self.table.primary_key
        return key_text(names, [self.row[name] for name in names])


@dataclass(frozen=True)
class Reconciliation:
    """The whole comparison."""

    histories: tuple[HistoryReport, ...]
    marts: tuple[MartReport, ...]
    skipped_columns: tuple[str, ...] = ()
    """Hashed columns, as table.column, that only the salt makes comparable."""
    lost_deletes: tuple[LostDelete, ...] = ()
    """Current rows of the warehouse that the source has no longer."""

    @property
    def agrees(self) -> bool:
        """Whether source and warehouse say the same everywhere."""
        return not any(history.differing_keys for history in self.histories) and not any(
            mart.differing_rows for mart in self.marts
        )


def explain(
    key: str,
    columns: Sequence[str],
    source: Sequence[Version],
    warehouse: Sequence[Version],
    *,
    begins_found: bool = True,
) -> Difference:
    """Name what is wrong between two histories of one key that are known to differ.

    Args:
        key: the key as text.
        columns: names of the versions' values.
        source: what the warehouse should hold, oldest first.
        warehouse: what it holds, oldest first.
        begins_found: whether the first version of `source` is the state in which the capture may
            have found the row: then a leading r of `warehouse` stands for it.

    Raises:
        ValueError: they do not differ.
    """
    if not warehouse:
        return Difference(key, "missing key", f"{len(source)} versions", NOTHING)
    if not source:
        return Difference(key, "extra key", NOTHING, f"{len(warehouse)} versions")
    if len(source) != len(warehouse):
        return _missing_or_extra(key, columns, source, warehouse)
    contents = (
        [_content(version) for version in source],
        [_content(version) for version in warehouse],
    )
    reordered = contents[0] != contents[1] and Counter(contents[0]) == Counter(contents[1])
    for place, (ours, theirs) in enumerate(zip(source, warehouse, strict=True), start=1):
        observed = begins_found and place == 1 and theirs.operation == "r"
        kind = _wrong(ours, theirs, observed)
        if kind:
            shown = _differing(columns, ours.values, theirs.values)
            return Difference(
                key,
                "wrong order" if reordered else kind,
                _describe(place, len(source), ours, columns, shown),
                _describe(place, len(warehouse), theirs, columns, shown),
            )
    raise ValueError(f"{key}: both histories are equal")


def explain_rows(
    key: str,
    columns: Sequence[str],
    source: tuple[object, ...] | None,
    warehouse: tuple[object, ...] | None,
) -> Difference:
    """Name what is wrong between two rows of a mart, None where there is no row."""
    if source is not None and warehouse is not None:
        shown = _differing(columns, source, warehouse)
        return Difference(
            key,
            "wrong row",
            _values(columns, source, shown),
            _values(columns, warehouse, shown),
        )
    everything = range(len(columns))
    if warehouse is None and source is not None:
        return Difference(key, "missing row", _values(columns, source, everything), NOTHING)
    return Difference(key, "extra row", NOTHING, _values(columns, warehouse or (), everything))


def _wrong(ours: Version, theirs: Version, observed: bool) -> Kind | None:
    """What is wrong between two versions; of an observed one only the values are known."""
    if ours.values != theirs.values:
        return "wrong value"
    if observed:
        return "wrong operation" if ours.operation == "d" else None
    if ours.operation != theirs.operation:
        return "wrong operation"
    return None if ours.committed_ms in (None, theirs.committed_ms) else "wrong commit time"


def _content(version: Version) -> tuple[str, tuple[object, ...]]:
    return version.operation, version.values


def _missing_or_extra(
    key: str, columns: Sequence[str], source: Sequence[Version], warehouse: Sequence[Version]
) -> Difference:
    """Which version is there on one side only, found by aligning both histories."""
    ours, theirs = list(map(_content, source)), list(map(_content, warehouse))
    everything = range(len(columns))
    lacking = len(source) > len(warehouse)
    left, right = (ours, theirs) if lacking else (theirs, ours)
    longer = source if lacking else warehouse
    place = 1
    for tag, start, end, _, _ in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag in ("delete", "replace") and end > start:
            place = start + 1
            break
    text = _describe(place, len(longer), longer[place - 1], columns, everything)
    other = f"{min(len(source), len(warehouse))} versions"
    if lacking:
        return Difference(key, "missing version", text, other)
    return Difference(key, "extra version", other, text)


def _differing(
    columns: Sequence[str], source: Sequence[object], warehouse: Sequence[object]
) -> Sequence[int]:
    return [place for place in range(len(columns)) if source[place] != warehouse[place]]


def _describe(
    place: int, count: int, version: Version, columns: Sequence[str], shown: Sequence[int]
) -> str:
    at = "" if version.committed_ms is None else f" {_time(version.committed_ms)}"
    values = _values(columns, version.values, shown)
    return f"version {place} of {count}: {version.operation}{at} {values}".rstrip()


def _time(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return at.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _values(columns: Sequence[str], values: Sequence[object], shown: Sequence[int]) -> str:
    return ", ".join(f"{columns[place]}={values[place]!r}" for place in shown)
