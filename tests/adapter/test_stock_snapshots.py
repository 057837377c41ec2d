"""Snapshots with dbt's own strategies behave as ever in a project that has our macros."""

from __future__ import annotations

from dbt.tests.adapter.simple_snapshot.new_record_check_mode import BaseSnapshotNewRecordCheckMode
from dbt.tests.adapter.simple_snapshot.new_record_timestamp_mode import (
    BaseSnapshotNewRecordTimestampMode,
)
from dbt.tests.adapter.simple_snapshot.test_snapshot import BaseSimpleSnapshot, BaseSnapshotCheck
from dbt.tests.adapter.simple_snapshot.test_various_configs import (
    BaseSnapshotColumnNames,
    BaseSnapshotDbtValidToCurrent,
    BaseSnapshotMultiUniqueKey,
)


class TestSimpleSnapshot(BaseSimpleSnapshot):
    pass


class TestSnapshotCheck(BaseSnapshotCheck):
    pass


class TestNewRecordTimestamp(BaseSnapshotNewRecordTimestampMode):
    pass


class TestNewRecordCheck(BaseSnapshotNewRecordCheckMode):
    pass


class TestColumnNames(BaseSnapshotColumnNames):
    pass


class TestValidToCurrent(BaseSnapshotDbtValidToCurrent):
    pass


class TestMultiUniqueKey(BaseSnapshotMultiUniqueKey):
    pass
