"""Each kind of difference between two histories is named, with what either side says."""

from __future__ import annotations

import pytest

from lakehouse.reconcile.findings import NOTHING, Version, explain, explain_rows

COLUMNS = ("id", "tier")
AT = 1_772_352_000_000  # 2026-03-01 08:00


def version(operation: str, tier: str, at: int | None = AT) -> Version:
    return Version(operation, at, (7, tier))


HISTORY = [version("c", "bronze"), version("u", "silver"), version("u", "gold")]


@pytest.mark.parametrize(
    ("source", "warehouse", "kind", "says", "other"),
    [
        pytest.param(HISTORY, [], "missing key", "3 versions", NOTHING, id="missing key"),
        pytest.param([], HISTORY, "extra key", NOTHING, "3 versions", id="extra key"),
        pytest.param(
            HISTORY,
            [HISTORY[0], HISTORY[2]],
            "missing version",
            "version 2 of 3: u 2026-03-01 08:00:00.000 id=7, tier='silver'",
            "2 versions",
            id="missing version",
        ),
        pytest.param(
            HISTORY[:1],
            HISTORY[:2],
            "extra version",
            "1 versions",
            "version 2 of 2: u 2026-03-01 08:00:00.000 id=7, tier='silver'",
            id="extra version",
        ),
        pytest.param(
            HISTORY,
            [HISTORY[0], HISTORY[2], HISTORY[1]],
            "wrong order",
            "version 2 of 3: u 2026-03-01 08:00:00.000 tier='silver'",
            "version 2 of 3: u 2026-03-01 08:00:00.000 tier='gold'",
            id="wrong order",
        ),
        pytest.param(
            HISTORY,
            [*HISTORY[:2], version("u", "golden")],
            "wrong value",
            "version 3 of 3: u 2026-03-01 08:00:00.000 tier='gold'",
            "version 3 of 3: u 2026-03-01 08:00:00.000 tier='golden'",
            id="wrong value",
        ),
        pytest.param(
            HISTORY,
            [*HISTORY[:2], version("d", "gold")],
            "wrong operation",
            "version 3 of 3: u 2026-03-01 08:00:00.000",
            "version 3 of 3: d 2026-03-01 08:00:00.000",
            id="wrong operation",
        ),
        pytest.param(
            HISTORY,
            [*HISTORY[:2], version("u", "gold", AT + 1)],
            "wrong commit time",
            "version 3 of 3: u 2026-03-01 08:00:00.000",
            "version 3 of 3: u 2026-03-01 08:00:00.001",
            id="wrong commit time",
        ),
        pytest.param(
            [version("u", "silver"), HISTORY[2]],
            [version("r", "bronze", AT + 9), HISTORY[2]],
            "wrong value",
            "version 1 of 2: u 2026-03-01 08:00:00.000 tier='silver'",
            "version 1 of 2: r 2026-03-01 08:00:00.009 tier='bronze'",
            id="the row as it was found",
        ),
    ],
)
def test_a_difference_is_named(
    source: list[Version], warehouse: list[Version], kind: str, says: str, other: str
) -> None:
    found = explain("id=7", COLUMNS, source, warehouse)

    assert (found.key, found.kind, found.source, found.warehouse) == ("id=7", kind, says, other)


def test_equal_histories_are_nothing_to_explain() -> None:
    read = version("r", "bronze", AT + 9)  # its operation and time say nothing

    with pytest.raises(ValueError, match="equal"):
        explain("id=7", COLUMNS, HISTORY, [read, *HISTORY[1:]])


@pytest.mark.parametrize(
    ("source", "warehouse", "kind", "says", "other"),
    [
        pytest.param((7, "gold"), None, "missing row", "id=7, tier='gold'", NOTHING, id="missing"),
        pytest.param(None, (7, "gold"), "extra row", NOTHING, "id=7, tier='gold'", id="extra"),
        pytest.param((7, "gold"), (7, None), "wrong row", "tier='gold'", "tier=None", id="differs"),
    ],
)
def test_a_differing_row_is_named(
    source: tuple[object, ...] | None,
    warehouse: tuple[object, ...] | None,
    kind: str,
    says: str,
    other: str,
) -> None:
    found = explain_rows("id=7", COLUMNS, source, warehouse)

    assert (found.kind, found.source, found.warehouse) == (kind, says, other)
