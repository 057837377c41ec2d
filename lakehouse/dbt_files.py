"""The dbt files that follow from the declarations: logs, staging views, histories and their docs.

dbt wants a file per node. They follow from the declarations, so they are written by
`lakehouse declarations generate` and never by hand; a test keeps them equal. What all nodes of a
kind share is in dbt_project.yml. Columns are described in the declarations and in the histories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingestion.declarations import SOURCE, SOURCES_FILE, TENANT, Declarations, Table
from lakehouse.case_folding import compared_key
from lakehouse.console import ROOT, say
from lakehouse.source.tenants import row_key

STAGING = SOURCES_FILE.parent.relative_to(ROOT)
SNAPSHOTS = Path("snapshots")
_WRITTEN = "Written by `lakehouse declarations generate`"
_NOTE = f"{_WRITTEN} from {SOURCES_FILE.name}; do not edit."


def staging_view(table: Table) -> str:
    """The view of the table's accepted changes."""
    return f"stg_{SOURCE}__{table.name}"


def render(declarations: Declarations) -> dict[Path, str]:
    """Path (relative to the project's root) and content of every generated file."""
    files: dict[Path, str] = {}
    if not declarations.tables:
        return files
    for table in declarations.tables:
        files[STAGING / f"logs/{table.name}__log.sql"] = _log_sql(table)
        files[STAGING / f"changes/{staging_view(table)}.sql"] = _sql("{{ accepted_changes() }}")
        if table.history == "all":
            files[SNAPSHOTS / f"{table.name}_history.yml"] = _yaml(
                {"snapshots": [_snapshot(declarations, table)]},
                "\n# Redshift: the versions of a row lie together, beside its changes in the log.",
            )
    for model, macro in (
        ("quarantine", "quarantined"),
        ("dated_ahead", "dated_ahead"),
        ("drift", "drift"),
    ):
        files[STAGING / f"quality/{model}.sql"] = _sql(
            "\nunion all\n".join(
                f"{{{{ {macro}('{table.name}') }}}}" for table in declarations.tables
            )
        )
    files |= _operations(declarations)
    for kind, described in (("logs", _log), ("changes", _staging)):
        entries = [described(declarations, table) for table in declarations.tables]
        files[STAGING / f"{kind}/_{SOURCE}__{kind}.yml"] = _yaml({"models": entries})
    return files


def _operations(declarations: Declarations) -> dict[Path, str]:
    """The views that `lakehouse report` reads, and any BI tool can."""
    hours = [f"record_hours('{table.name}')" for table in declarations.tables]
    days = [
        f"version_days('{table.name}', {list(row_key(declarations, compared_key(table)))})"
        for table in declarations.tables
        if table.history == "all"
    ]
    views = {
        "record_hours": hours,
        "version_days": days or ["version_days()"],
        "table_freshness": ["table_freshness()"],
        "node_results": ["node_results()"],
    }
    return {
        STAGING / f"operations/{view}.sql": _sql(
            "\nunion all\n".join(f"{{{{ {call} }}}}" for call in calls)
        )
        for view, calls in views.items()
    }


def out_of_date(files: Mapping[Path, str], root: Path) -> dict[Path, str]:
    """Those of `files` that below `root` are not there, or have another content."""
    return {
        path: content
        for path, content in files.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != content
    }


def undeclared(files: Mapping[Path, str], root: Path) -> list[Path]:
    """What was written below `root` for tables that are declared no more: none of `files`."""
    there = [path for folder in (STAGING, SNAPSHOTS) for path in (root / folder).rglob("*.*")]
    return sorted(
        path.relative_to(root)
        for path in there
        if path.suffix in (".sql", ".yml") and path.relative_to(root) not in files
        # what does not begin with our note is somebody's
        if path.read_text(encoding="utf-8").startswith((f"# {_WRITTEN}", f"{{#- {_WRITTEN}"))
    )


def remove_files(paths: Iterable[Path], root: Path) -> None:
    """Remove `paths` below `root`, and say so."""
    for path in paths:
        (root / path).unlink()
        say(f"removed: {path}")


def write_files(files: Mapping[Path, str], root: Path) -> None:
    """Write `files` below `root`, and say so."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
        say(f"written: {path}")


def _log_sql(table: Table) -> str:
    note = "\n    Redshift: distributed by the key, on which history joins the changes of a row."
    note = note if table.primary_key else ""
    config = f"{{{{ config(dist='{_distributed_by(table.primary_key)}') }}}}"
    return _sql(f"{config}\n{{{{ change_log() }}}}", note)


def _distributed_by(key: Sequence[str]) -> str:
    """The first key column; in quotes where dbt-redshift would take its name for a style."""
    if not key:
        return "even"
    return f'"{key[0]}"' if key[0] in ("auto", "even") else key[0]


def _log(declarations: Declarations, table: Table) -> dict[str, Any]:
    return {
        "name": f"{table.name}__log",
        "description": (
            f"Every record of the topics of `{table.name}` up to the log's own maximum offset per "
            "incarnation and partition: accepted, tombstone or rejected. Append-only."
        ),
        "data_tests": [
            "each_record_once",
            "holds_what_was_landed",
            *(
                [_stored("one_change_one_value", table, row_key(declarations, table.primary_key))]
                if table.primary_key
                else []
            ),
        ],
    }


def _staging(_: Declarations, table: Table) -> dict[str, Any]:
    return {
        "name": staging_view(table),
        "description": (
            f"The accepted changes of `{table.name}`, a row per record, typed as declared: "
            f"{table.description[0].lower()}{table.description[1:]}"
        ),
    }


def _snapshot(declarations: Declarations, table: Table) -> dict[str, Any]:
    key = list(row_key(declarations, compared_key(table)))
    log = f"ref('{staging_view(table)}')"
    return {
        "name": f"{table.name}_history",
        "relation": log,
        "description": (
            f"Every committed version of every row of `{table.name}` with the time in which it was "
            "valid: no-op updates, several versions of one transaction and deletes included."
        ),
        "config": {
            "strategy": "cdc_history.cdc",
            "unique_key": key[0] if len(key) == 1 else key,
            "updated_at": "_cdc_committed_at",
            "dist": _distributed_by(compared_key(table)),
            "sort": key,
            "meta": {
                "sequence_by": "_cdc_position",
                "apply_as_deletes": "_cdc_op = 'd'",
                "track_history_column_list": list(table.tracked_columns),
            },
        },
        "data_tests": [
            {"cdc_history.unbroken_history": {"arguments": {"key": key}}},
            {"cdc_history.every_change_has_its_version": {"arguments": {"key": key, "log": log}}},
            _stored("before_images_chain", table, key, "cdc_history.", log=log),
        ],
        "columns": [
            *_row_columns(declarations, table),
            *_folded_columns(table),
            *_lineage(
                "_cdc_position",
                "_cdc_order",
                "_cdc_op",
                "is_deleted",
                "_cdc_committed_at",
                "_cdc_not_carried",
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


def _stored(
    test: str, table: Table, key: Sequence[str], package: str = "", **arguments: str
) -> dict[str, Any]:
    """A test whose failures are stored, under a name that people find in schema `operations`."""
    name = f"{test}_{table.name}"
    return {package + test: {"name": name, "arguments": {"key": list(key), **arguments}}}


def _row_columns(declarations: Declarations, table: Table) -> Iterable[dict[str, Any]]:
    tenant = _lineage(TENANT) if declarations.tenants else []
    own = [_Column(name=each.name, description=each.description) for each in table.landed_columns]
    return tenant + own


def _folded_columns(table: Table) -> Iterable[dict[str, Any]]:
    return [
        _Column(name=folded, description=f"`{name}` as it is compared: one spelling of all.")
        for name, folded in zip(table.primary_key, compared_key(table), strict=True)
        if name != folded
    ]


def _lineage(*names: str) -> list[dict[str, Any]]:
    """Columns that every table has alike: described once, in models/staging/_lineage.md."""
    return [_Column(name=name, description=f"{{{{ doc('{name}') }}}}") for name in names]


def _sql(body: str, note: str = "") -> str:
    return f"{{#- {_NOTE}{note} -#}}\n{body}\n"


def _yaml(document: dict[str, Any], note: str = "") -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)
    return f"# {_NOTE}{note}\nversion: 2\n\n{text}"


class _Column(dict[str, Any]):
    """A column's entry: a line of its own in the file."""


class _Dumper(yaml.SafeDumper):
    """Indented lists and no anchors, as people write YAML."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Column,
    lambda dumper, column: dumper.represent_mapping(
        "tag:yaml.org,2002:map", column, flow_style=True
    ),
)
