"""Source and warehouse, version by version: a clean pair, and each difference.

Both sides are written by hand as small tables of things: key, place in the log, values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256

import duckdb
import pyarrow as pa
import pytest

from ingestion.declarations import Column, DataType, Pii, Table
from lakehouse.reconcile.findings import HistoryReport
from lakehouse.reconcile.loaded import load_source
from lakehouse.reconcile.scope import Scope
from lakehouse.reconcile.versions import compare_versions, first_reads

SALT = "salt"
READ_AT = 500  # milliseconds: when the snapshot was read


def column(name: str, data_type: DataType, pii: Pii | None = None) -> Column:
    return Column(name, data_type, "", nullable=name != "id", pii=pii)


THINGS = Table(
    name="things",
    description="",
    columns=(
        column("id", DataType("bigint")),
        column("name", DataType("varchar", length=20)),
        column("price", DataType("decimal", precision=12, scale=2)),
        column("phone", DataType("varchar", length=64), "hash"),
        column("secret", DataType("varchar", length=20), "exclude"),
    ),
    primary_key=("id",),
    history="all",
    tracked_columns=("name",),
    topics={},
    partitions=1,
    topic_retention_days=1,
    landing_retention_days=1,
)

# sequence (also the commit time, times 100), operation, id, name, price, phone
Change = tuple[int, str, int, str | None, str, str | None]
# position, operation, commit time, id, name, price, phone (hashed by `warehouse`)
Version = tuple[str, str, int, int, str | None, str, str | None]

SOURCE: list[Change] = [
    (1, "c", 1, "a", "1.00", None),
    (2, "c", 2, "b", "2.00", "+49"),
    (3, "u", 1, "A", "1.10", None),
    # the snapshot is read here
    (6, "u", 1, "A ", "1.10", None),
    (7, "u", 2, "b", "2.00", "+49"),  # changes nothing
    (8, "c", 3, None, "-3.00", ""),
    (9, "d", 3, None, "-3.00", ""),
    (10, "c", 3, "c|~", "3.00", None),
    (11, "u", 3, "c|~", "1234567890.25", None),
]
READ = "0001:0000:00"
HISTORY: list[Version] = [
    (READ, "r", READ_AT, 1, "A", "1.10", None),
    (READ, "r", READ_AT, 2, "b", "2.00", "+49"),
    ("0001:0006:00", "u", 600, 1, "A ", "1.10", None),
    ("0001:0007:00", "u", 700, 2, "b", "2.00", "+49"),
    ("0001:0008:00", "c", 800, 3, None, "-3.00", ""),
    ("0001:0009:00", "d", 900, 3, None, "-3.00", ""),
    ("0001:0010:00", "c", 1000, 3, "c|~", "3.00", None),
    ("0001:0011:00", "u", 1100, 3, "c|~", "1234567890.25", None),
]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = duckdb.connect()
    opened.execute("create schema history; create schema staging")
    yield opened
    opened.close()


def changes(rows: Sequence[Change]) -> pa.Table:
    names = ["_sequence", "_part", "_operation", "_committed_ms", "id", "name", "price", "phone"]
    texts = [
        (str(sequence), "1", operation, str(sequence * 100), str(key), name, price, phone)
        for sequence, operation, key, name, price, phone in rows
    ]
    columns = list(zip(*texts, strict=True)) if texts else [()] * len(names)
    return pa.table(
        {name: pa.array(values, pa.string()) for name, values in zip(names, columns, strict=True)}
    )


def warehouse(connection: duckdb.DuckDBPyConnection, versions: Sequence[Version]) -> None:
    """history.things_history as the project builds it; of each key the last version is open."""
    connection.execute(
        """
        create table history.things_history (
            _cdc_position varchar, _cdc_op varchar, _cdc_committed_at timestamp,
            id bigint, name varchar, price decimal(12, 2), phone varchar,
            is_deleted boolean, dbt_valid_to timestamp,
            _cdc_order varchar as (_cdc_position)
        )
        """
    )
    last = {version[3]: version for version in sorted(versions)}
    for version in versions:
        position, operation, at, key, name, price, phone = version
        hashed = None if phone is None else sha256(f"{SALT}{phone}".encode()).hexdigest()
        closed = None if last[key] == version else "2026-01-01"
        connection.execute(
            "insert into history.things_history values (?, ?, make_timestamp(?), ?, ?, ?, ?, ?, ?)",
            [position, operation, at * 1000, key, name, price, hashed, operation == "d", closed],
        )


def compare(
    connection: duckdb.DuckDBPyConnection,
    source: Sequence[Change],
    versions: Sequence[Version],
    salt: str = SALT,
) -> HistoryReport:
    warehouse(connection, versions)
    began = first_reads(connection, [Scope(THINGS, SALT)])["things"]
    return compare_loaded(connection, source, salt, began)


def compare_loaded(
    connection: duckdb.DuckDBPyConnection, source: Sequence[Change], salt: str, began: int | None
) -> HistoryReport:
    load_source(connection, Scope(THINGS, salt), changes(source))
    return compare_versions(connection, Scope(THINGS, salt), began)


def kinds(report: HistoryReport) -> list[tuple[str, str]]:
    return [(difference.key, difference.kind) for difference in report.differences]


def without(versions: Sequence[Version], position: str) -> list[Version]:
    return [version for version in versions if version[0] != position]


def test_a_faithful_warehouse_agrees(connection: duckdb.DuckDBPyConnection) -> None:
    report = compare(connection, SOURCE, HISTORY)

    assert not report.differing_keys
    assert (report.source_versions, report.warehouse_versions, report.before_capture) == (9, 8, 1)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param(
            without(HISTORY, "0001:0006:00"),
            [("id=1", "missing version")],
            id="the newest version is missing",
        ),
        pytest.param(
            without(HISTORY, "0001:0009:00"),
            [("id=3", "missing version")],
            id="a version in the middle is missing",
        ),
        pytest.param(
            [version for version in HISTORY if version[3] != 3],
            [("id=3", "missing key")],
            id="a key is missing",
        ),
        pytest.param(
            [version for version in HISTORY if version[3] != 2],
            [("id=2", "missing key")],
            id="a key that the snapshot should have read is missing",
        ),
        pytest.param(
            [*HISTORY, ("0001:0012:00", "u", 1200, 3, "c|~", "1234567890.25", None)],
            [("id=3", "extra version")],
            id="a version too many",
        ),
        pytest.param(
            [*HISTORY, ("0001:0012:00", "c", 1200, 4, "d", "4.00", None)],
            [("id=4", "extra key")],
            id="a key too many",
        ),
        pytest.param(
            [*HISTORY[:2], ("0001:0006:00", "u", 600, 1, "A", "1.10", None), *HISTORY[3:]],
            [("id=1", "wrong value")],
            id="a trailing blank is lost",
        ),
        pytest.param(
            [*HISTORY[:7], ("0001:0011:00", "u", 1100, 3, "c|~", "1234567890.24", None)],
            [("id=3", "wrong value")],
            id="a cent is lost",
        ),
        pytest.param(
            [*HISTORY[:4], ("0001:0008:00", "c", 800, 3, None, "-3.00", None), *HISTORY[5:]],
            [("id=3", "wrong value")],
            id="empty text becomes null",
        ),
        pytest.param(
            [
                *HISTORY[:6],
                *(
                    ("0001:0010:00", "u", 1100, 3, "c|~", "1234567890.25", None),
                    ("0001:0011:00", "c", 1000, 3, "c|~", "3.00", None),
                ),
            ],
            [("id=3", "wrong order")],
            id="two versions in the wrong order",
        ),
        pytest.param(
            [*HISTORY[:6], ("0001:0010:00", "u", 1000, 3, "c|~", "3.00", None), HISTORY[7]],
            [("id=3", "wrong operation")],
            id="an insert taken for an update",
        ),
        pytest.param(
            [*HISTORY[:3], ("0001:0007:00", "u", 701, 2, "b", "2.00", "+49"), *HISTORY[4:]],
            [("id=2", "wrong commit time")],
            id="a millisecond late",
        ),
        pytest.param(
            [(READ, "r", READ_AT, 1, "a", "1.00", None), *HISTORY[1:]],
            [("id=1", "wrong value")],
            id="the row was found in a wrong state",
        ),
        pytest.param(
            [version for version in HISTORY if version[0] != READ or version[3] != 1],
            [("id=1", "missing version")],
            id="the state in which the row was found is missing",
        ),
    ],
)
def test_a_difference_is_found(
    connection: duckdb.DuckDBPyConnection,
    versions: list[Version],
    expected: list[tuple[str, str]],
) -> None:
    report = compare(connection, SOURCE, versions)

    assert kinds(report) == expected
    assert report.differing_keys


def test_a_key_that_was_gone_before_the_capture_is_not_missed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    gone: list[Change] = [(3, "c", 9, "x", "9.00", None), (4, "d", 9, "x", "9.00", None)]
    report = compare(connection, [*SOURCE, *gone], HISTORY)

    assert not report.differing_keys
    assert report.before_capture == 3


def test_a_key_that_was_deleted_after_the_capture_began_is_missed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    gone: list[Change] = [(4, "c", 9, "x", "9.00", None), (6, "d", 9, "x", "9.00", None)]
    report = compare(connection, [*SOURCE, *gone], HISTORY)

    assert kinds(report) == [("id=9", "missing key")]


def test_a_key_that_came_back_after_the_capture_began_starts_there(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    back: list[Change] = [
        (3, "c", 9, "x", "9.00", None),
        (4, "d", 9, "x", "9.00", None),
        (12, "c", 9, "y", "9.00", None),
    ]
    version: Version = ("0001:0012:00", "c", 1200, 9, "y", "9.00", None)
    report = compare(connection, [*SOURCE, *back], [*HISTORY, version])

    assert not report.differing_keys


def test_a_row_that_was_only_read_was_not_seen_being_made(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    read: Version = ("0001:0012:00", "r", 1300, 9, "x", "9.00", None)
    made: Change = (12, "c", 9, "x", "9.00", None)
    report = compare(connection, [*SOURCE, made], [*HISTORY, read])

    assert kinds(report) == [("id=9", "wrong operation")]


def test_a_lost_change_that_changed_nothing_is_missed(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    report = compare(connection, SOURCE, without(HISTORY, "0001:0007:00"))

    assert kinds(report) == [("id=2", "missing version")]


def test_without_a_snapshot_every_version_has_to_be_there(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    streamed = [version for version in HISTORY if version[3] == 3]
    report = compare(connection, SOURCE, streamed)

    assert ("id=1", "missing key") in kinds(report)
    assert report.before_capture == 0


def test_a_version_told_by_a_before_image_counts_as_what_was_found(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    told: Version = ("0000:0000:00", "r", 600, 1, "A", "1.10", None)
    others = [version for version in HISTORY if version[0] != READ or version[3] != 1]
    report = compare(connection, SOURCE, [told, *others])

    assert not report.differing_keys


def test_a_deferred_update_is_the_update_that_it_was(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    deferred: list[Version] = [
        ("0001:0006:01", "d", 600, 1, "A", "1.10", None),
        ("0001:0006:02", "c", 600, 1, "A ", "1.10", None),
    ]
    report = compare(connection, SOURCE, [*without(HISTORY, "0001:0006:00"), *deferred])

    assert not report.differing_keys


def test_a_delete_and_an_insert_at_two_places_are_no_update(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    two: list[Version] = [
        ("0001:0006:01", "d", 600, 1, "A", "1.10", None),
        ("0001:0007:02", "c", 600, 1, "A ", "1.10", None),
    ]
    report = compare(connection, SOURCE, [*without(HISTORY, "0001:0006:00"), *two])

    assert kinds(report) == [("id=1", "extra version")]


def test_hashed_columns_are_compared_with_the_salt_and_left_out_without_it(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    warehouse(connection, HISTORY)
    salts = (SALT, "another", "")
    reports = [compare_loaded(connection, SOURCE, salt, READ_AT) for salt in salts]

    assert [report.differing_keys for report in reports] == [0, 2, 0]
    assert kinds(reports[1])[0] == ("id=2", "wrong value")
    assert [Scope(THINGS, salt).skipped for salt in salts] == [(), (), ("things.phone",)]


def test_twenty_keys_are_shown_and_all_are_counted(connection: duckdb.DuckDBPyConnection) -> None:
    many: list[Change] = [(20 + key, "c", 100 + key, "x", "1.00", None) for key in range(30)]
    report = compare(connection, [*SOURCE, *many], HISTORY)

    assert (report.differing_keys, len(report.differences)) == (30, 20)


def test_a_key_whose_spelling_changed_is_one_key(connection: duckdb.DuckDBPyConnection) -> None:
    """And the spelling is a value: one that the warehouse has otherwise is told."""
    code = Column(
        "code", DataType("varchar", length=20), "", nullable=False, collation="case_insensitive"
    )
    codes = replace(THINGS, name="codes", columns=(code,), primary_key=("code",))
    source = [("1", "c", "Ab"), ("2", "u", "AB "), ("3", "c", "é"), ("4", "d", "É")]
    names = ("_sequence", "_operation", "code")
    told = {name: [row[number] for row in source] for number, name in enumerate(names)}
    milliseconds = [f"{number}00" for number in told["_sequence"]]
    connection.execute(
        """
        create table history.codes_history as
        select
            '000' || _sequence as _cdc_position, _cdc_position as _cdc_order, _cdc_op, code,
            _folded_code, make_timestamp(_sequence * 100000) as _cdc_committed_at,
            cast(null as timestamp) as dbt_valid_to
        from (
            values
                (1, 'c', 'Ab', 'ab'), (2, 'u', 'AB ', 'ab'), (3, 'c', 'é', 'é'), (4, 'd', 'É', 'é')
        ) as given(_sequence, _cdc_op, code, _folded_code)
        """
    )
    scope = Scope(codes, SALT)
    given = pa.table({**told, "_part": ["1"] * len(source), "_committed_ms": milliseconds})
    load_source(connection, scope, given)
    assert compare_versions(connection, scope, None).differing_keys == 0
    connection.execute("update history.codes_history set code = 'ab' where _cdc_op = 'u'")
    report = compare_versions(connection, scope, None)
    assert [(each.key, each.kind) for each in report.differences] == [("code=ab", "wrong value")]
