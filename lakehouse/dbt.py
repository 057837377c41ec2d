"""dbt in this process: a start and a parse of it cost seconds, what it then runs tenths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ingestion.errors import TerminalError
from lakehouse.console import ROOT

if TYPE_CHECKING:
    from dbt.artifacts.schemas.run import RunExecutionResult
    from duckdb import DuckDBPyConnection

_QUIETLY = ("--log-level", "none", "--log-level-file", "none", "--no-write-json")


class Dbt:
    """The project with one target, parsed once for all that it runs."""

    def __init__(self, target: str, variables: Mapping[str, Any]) -> None:
        self._options = ["--quiet", *(["--target", target] if target else []), *in_project()]
        self._manifest = None
        self._manifest = self.run("parse", variables=variables)

    def run(self, *arguments: str, variables: Mapping[str, Any]) -> Any:
        """Run a command of dbt and give its result; what it says it prints itself.

        Nodes have the places that the variables of the parse gave them.

        Raises:
            TerminalError: it failed; the message holds dbt's own.
        """
        from dbt.cli.main import dbtRunner

        try:
            done = dbtRunner(self._manifest).invoke(
                [*arguments, *self._options, "--vars", json.dumps(variables)]
            )
        finally:
            let_go()
        if not done.success:
            failed = [str(node.message) for node in getattr(done.result, "results", ())]
            told = str(done.exception) if done.exception else "; ".join(filter(None, failed))
            raise TerminalError(f"dbt {' '.join(arguments[:2])} failed: {told}")
        return done.result


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended, by the names of its nodes."""

    built: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    """What could not be built, and tests that failed, with dbt's message."""
    skipped: tuple[str, ...] = ()
    """What was not built because it stands on something that failed."""
    problem: str = ""
    """Why nothing, or nobody knows what, was built."""


def invoke(*arguments: str) -> Outcome:
    """Run a command of dbt in this process, one at a time; it keeps DuckDB's file (`let_go`)."""
    from dbt.cli.main import dbtRunner

    done = dbtRunner().invoke([*arguments, *_QUIETLY, *in_project()])
    if done.exception:
        return Outcome(problem=str(done.exception))
    of: dict[str, dict[str, str]] = {"success": {}, "error": {}, "skipped": {}}
    hooks = []
    for result in cast("RunExecutionResult", done.result).results:
        status = {"error": "error", "fail": "error", "skipped": "skipped"}.get(
            str(result.status), "success"
        )
        if str(result.node.resource_type) != "operation":
            of[status][result.node.name] = str(result.message)
        elif status == "error":
            hooks.append(str(result.message))
    return Outcome(tuple(of["success"]), of["error"], tuple(of["skipped"]), "; ".join(hooks))


def keys() -> dict[str, list[str]]:
    """The columns that tell the rows of a table apart, by its name with the schema."""
    nodes: dict[str, Any] = _result_of("parse").nodes
    found: dict[str, list[str]] = {}
    for node in nodes.values():
        if node.resource_type == "snapshot":
            found[f"{node.schema}.{node.alias}"] = ["dbt_scd_id"]
        elif node.resource_type == "model" and (given := node.config.unique_key):
            found[f"{node.schema}.{node.alias}"] = [given] if isinstance(given, str) else given
    for node in nodes.values():
        metadata = getattr(node, "test_metadata", None)
        if metadata and metadata.name == "one_row_a_key":
            tested = nodes[node.attached_node]
            found[f"{tested.schema}.{tested.alias}"] = metadata.kwargs["key"]
    return found


def compiled(analysis: str) -> str:
    """The query of an analysis.

    Raises:
        TerminalError: dbt cannot compile it.
    """
    [result] = _result_of("compile", "--select", analysis).results
    return str(result.node.compiled_code)


def _result_of(*arguments: str) -> Any:
    from dbt.cli.main import dbtRunner

    done = dbtRunner().invoke([*arguments, *_QUIETLY, *in_project()])
    if done.exception:
        raise TerminalError(f"dbt {arguments[0]} failed: {done.exception}")
    return done.result


def connection() -> DuckDBPyConnection:
    """One of one's own to the file that the last invocation has left open."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    opened: Any = DuckDBConnectionManager.env()
    cursor: DuckDBPyConnection = opened.conn.cursor()
    return cursor


def project() -> Path:
    """The dbt project: the current folder where that is one."""
    return Path() if Path("dbt_project.yml").exists() else ROOT


def in_project() -> list[str]:
    """The options by which dbt finds the project where it is not the current folder."""
    if project() != ROOT:
        return []
    return ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]


def let_go() -> None:
    """Free DuckDB's file, which its adapter keeps locked; others keep nothing open."""
    from dbt.adapters.factory import FACTORY

    for adapter in FACTORY.adapters.values():
        getattr(adapter.ConnectionManager, "close_all_connections", lambda: None)()
