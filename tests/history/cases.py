"""Worked histories as multi-run tests of the snapshot: what a run brings, and what is left at last.

The page is the only place that holds them. Each becomes a case of the pytest plugin, which puts its
changes where the staging view would have them, so that nothing but the strategy is looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytest_dbt_runs.cases import Case

from ingestion.declarations import Table
from tests.kit import reference
from tests.kit.reference import Change
from tests.kit.worked import Cells, WorkedHistory, moment


def case_of(worked: WorkedHistory, folder: Path) -> Case:
    """The case that a worked history is; its records are landed in `folder` to be read."""
    runs = worked.changes_by_run(folder)
    batches: list[dict[str, Any]] = [
        {
            "given": [
                {
                    "input": f"ref('stg_retail__{worked.table.name}')",
                    "types": _types(worked.table),
                    "append" if number > 1 else "rows": [
                        _staged(change, worked) | {"_cdc_run": number} for change in changes
                    ],
                }
            ]
        }
        for number, changes in enumerate(runs, start=1)
    ]
    batches[-1]["expect"] = {"rows": [_kept(line, worked) for line in worked.history]}
    model = f"{worked.table.name}_history"
    return Case.model_validate({"name": worked.title, "model": model, "batches": batches})


def _types(table: Table) -> dict[str, str]:
    return {
        f"{prefix}{column.name}": str(column.type)
        for prefix in ("", "_before_")
        for column in table.landed_columns
    }


def _staged(change: Change, worked: WorkedHistory) -> dict[str, Any]:
    """A change as the staging view has it."""
    table = worked.table
    told: dict[str, Any] = {"_cdc_commit": change.commit}
    if worked.connector == "postgresql":
        told = {"_cdc_commit_known": not change.is_floating}
    names = [column.name for column in table.landed_columns]
    before = change.before or [None] * len(names)
    return {
        **dict(zip(names, change.row, strict=True)),
        **{f"_before_{name}": value for name, value in zip(names, before, strict=True)},
        "_cdc_op": change.op,
        "_cdc_position": change.position,
        **told,
        "_cdc_not_carried": reference.listed(change.lacks, table),
        "_cdc_before_not_carried": reference.listed(change.before_lacks, table),
        "_cdc_is_absence": change.is_absence,
        "_cdc_committed_at": change.committed_at,
        "_cdc_row_hash": reference.values_hash(change.row, table),
        "_cdc_before_hash": change.before and reference.values_hash(change.before, table),
        "kafka_topic": change.record.topic,
        "_cdc_incarnation": change.record.incarnation,
        "kafka_partition": change.record.partition,
        "kafka_offset": change.record.offset,
        "kafka_timestamp": change.record.timestamp,
    }


def _kept(line: Cells, worked: WorkedHistory) -> dict[str, Any]:
    """A line of the page's history as the snapshot has it."""
    return {
        **worked.row(line["row"], worked.key(line["key"])),
        "_cdc_op": line["op"],
        "_cdc_position": worked.position(line["position"]),
        "_cdc_order": worked.position(line.get("order", line["position"])),
        "_cdc_not_carried": not_carried(line),
        "is_deleted": line["op"] == "d",
        "dbt_valid_from": moment(line["valid from"]),
        "dbt_valid_to": moment(line["valid to"]),
    }


def not_carried(line: Cells) -> str | None:
    """The columns that a line of the page's history names as told by no image, as they are kept."""
    names = line.get("not carried", "")
    return f",{names.replace(', ', ',')}," if names else None
