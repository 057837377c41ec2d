"""The dbt files that follow from the declarations: logs, staging views, histories and their docs.

dbt wants one file a node and one YAML entry a column. Both follow from the declarations, so they
are written by `lakehouse declarations generate` and never by hand; a test keeps them equal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ingestion.declarations import Column, Declarations, Table

STAGING = Path("models/staging/retail")
SNAPSHOTS = Path("snapshots")
_NOTE = "Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit."


def render(declarations: Declarations) -> dict[Path, str]:
    """Path (relative to the project's root) and content of every generated file."""
    files: dict[Path, str] = {}
    for table in declarations.tables:
        files[STAGING / f"{table.name}__log.sql"] = _log_sql(table)
        files[STAGING / f"stg_retail__{table.name}.sql"] = _sql(
            f"{{{{ accepted_changes('{table.name}') }}}}"
        )
        if table.history == "all":
            files[SNAPSHOTS / f"{table.name}_history.yml"] = _yaml(
                {"snapshots": [_snapshot(table)]},
                "\n# Redshift: the versions of a row lie together, beside its changes in the log.",
            )
    for model, macro in (("quarantine", "quarantined"), ("unknown_columns", "unknown_columns")):
        files[STAGING / f"{model}.sql"] = _sql(
            "\nunion all\n".join(
                f"{{{{ {macro}('{table.name}') }}}}" for table in declarations.tables
            )
        )
    files[STAGING / "_retail__models.yml"] = _yaml(
        {
            "models": [
                entry for table in declarations.tables for entry in (_log(table), _staging(table))
            ]
        }
    )
    return files


def _log_sql(table: Table) -> str:
    note = (
        "\n    Redshift: distributed by the key, on which history joins the changes of a row;"
        "\n    sorted by run, because every reader asks for the newest ones."
    )
    return _sql(
        textwrap.dedent(
            f"""\
            {{{{ config(
                materialized='incremental',
                incremental_strategy='append',
                on_schema_change='append_new_columns',
                pre_hook="{{{{ choose_landing_files('{table.name}') }}}}",
                post_hook="{{{{ save_declaration('{table.name}') }}}}",
                dist='{table.primary_key[0]}',
                sort='_cdc_run'
            ) }}}}

            {{{{ change_log('{table.name}') }}}}"""
        ),
        note,
    )


def _log(table: Table) -> dict[str, Any]:
    return {
        "name": f"{table.name}__log",
        "description": (
            f"Every record of the topics of `{table.name}` up to the log's own maximum offset per "
            "incarnation and partition: accepted, tombstone or rejected. Append-only."
        ),
        "data_tests": [
            "each_record_once",
            _stored("one_change_one_value", table),
        ],
        "columns": [
            *_row_columns(table),
            *_before_columns(table),
            *_lineage(
                "_cdc_op",
                "_cdc_position",
                "_cdc_commit_known",
                "_cdc_committed_at",
                "_cdc_row_hash",
                "_cdc_before_hash",
                "_cdc_missing_columns",
                "_cdc_unknown_columns",
                "_cdc_status",
                "_cdc_reject_reason",
                "kafka_key",
                "kafka_value",
                "_cdc_declaration",
                "kafka_topic",
                "_cdc_incarnation",
                "kafka_partition",
                "kafka_offset",
                "kafka_timestamp",
                "_cdc_run",
            ),
        ],
    }


def _staging(table: Table) -> dict[str, Any]:
    return {
        "name": f"stg_retail__{table.name}",
        "description": (
            f"The accepted changes of `{table.name}`, one row a record, typed as declared: "
            f"{table.description[0].lower()}{table.description[1:]}"
        ),
        "columns": [
            *_row_columns(table),
            *_before_columns(table),
            *_lineage(
                "_cdc_op",
                "_cdc_position",
                "_cdc_commit_known",
                "_cdc_committed_at",
                "_cdc_row_hash",
                "_cdc_before_hash",
                "kafka_topic",
                "_cdc_incarnation",
                "kafka_partition",
                "kafka_offset",
                "kafka_timestamp",
                "_cdc_run",
            ),
        ],
    }


def _snapshot(table: Table) -> dict[str, Any]:
    key = list(table.primary_key)
    tests = {"key": key, "log": f"ref('stg_retail__{table.name}')"}
    return {
        "name": f"{table.name}_history",
        "relation": f"ref('stg_retail__{table.name}')",
        "description": (
            f"Every committed version of every row of `{table.name}` with the time in which it was "
            "valid: no-op updates, several versions of one transaction and deletes included."
        ),
        "config": {
            "strategy": "cdc",
            "unique_key": key[0] if len(key) == 1 else key,
            "updated_at": "_cdc_committed_at",
            "dist": key[0],
            "sort": key,
            "meta": {
                "sequence_by": "_cdc_position",
                "apply_as_deletes": "_cdc_op = 'd'",
                "track_history_column_list": list(table.tracked_columns),
            },
        },
        "data_tests": [
            {"unbroken_history": {"arguments": {"key": key}}},
            {"every_change_has_its_version": {"arguments": tests}},
            _stored("before_images_chain", table),
        ],
        "columns": [
            *_row_columns(table),
            *_lineage(
                "_cdc_position",
                "_cdc_op",
                "is_deleted",
                "_cdc_committed_at",
                "_cdc_row_hash",
                "_cdc_tracked_hash",
                "_cdc_before_hash",
                "_cdc_run",
                "dbt_scd_id",
                "dbt_updated_at",
                "dbt_valid_from",
                "dbt_valid_to",
            ),
        ],
    }


def _stored(test: str, table: Table) -> dict[str, Any]:
    """A test whose failures are stored, under a name that people find in schema `operations`."""
    name = f"{test}_{table.name}"
    return {test: {"name": name, "arguments": {"key": list(table.primary_key)}}}


def _row_columns(table: Table) -> Iterable[dict[str, Any]]:
    return [_described(column, column.name, column.description) for column in table.landed_columns]


def _before_columns(table: Table) -> Iterable[dict[str, Any]]:
    return [
        _described(column, f"_before_{column.name}", f"`{column.name}` in the before image.")
        for column in table.landed_columns
    ]


def _described(column: Column, name: str, description: str) -> dict[str, Any]:
    return {"name": name, "data_type": str(column.type), "description": description}


def _lineage(*names: str) -> list[dict[str, Any]]:
    """Columns that every table has alike: described once, in models/staging/_lineage.md."""
    return [{"name": name, "description": f"{{{{ doc('{name}') }}}}"} for name in names]


def _sql(body: str, note: str = "") -> str:
    return f"{{#- {_NOTE}{note} -#}}\n{body}\n"


def _yaml(document: dict[str, Any], note: str = "") -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)
    return f"# {_NOTE}{note}\nversion: 2\n\n{text}"


class _Dumper(yaml.SafeDumper):
    """Indented lists and no anchors, as people write YAML."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True
