"""A dbt project run in this process: parsed once, each case in a DuckDB file of its own."""

from __future__ import annotations

import ast
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ManifestNode, SourceDefinition

from pytest_dbt_runs.cases import Case, CaseError, MismatchError
from pytest_dbt_runs.tables import compare, give, types_of

Node = ManifestNode | SourceDefinition

_NAME = "dbt_runs"
"""Of profile, target and database: what is parsed once holds their names for all cases."""


@dataclass
class Project:
    """The dbt project in `directory`."""

    directory: Path
    manifests: dict[str, Manifest] = field(default_factory=dict)
    """What has been parsed of it, by the vars that it was parsed with."""

    def run(self, case: Case) -> None:
        """Run the batches of a case, in their order, in a database of its own.

        Raises MismatchError where a run fails or the model is not as expected, CaseError where the
        case does not fit the project.
        """
        types = types_of(case)
        with TemporaryDirectory() as folder:
            file = Path(folder, f"{_NAME}.duckdb")
            for number, batch in enumerate(case.batches, start=1):
                manifest = self.manifest(batch.vars)
                model, inputs, selection = _resolved(case, manifest)
                with _opened(file) as database:
                    for given in batch.given:
                        give(database, _relation(inputs[given.input]), given, types[given.input])
                command = shlex.split(batch.dbt)
                if not {"--select", "-s"} & set(command):
                    command += ["--select", *selection]
                    if command[0] == "build":
                        command += ["--exclude-resource-type", "test", "unit_test"]
                result = self._invoke(command, batch.vars, file, manifest)
                at = f"batch {number}, after `dbt {batch.dbt}`: {case.model}"
                if not result.success:
                    raise MismatchError(f"{at} is not built\n{_why(result)}")
                if batch.expect:
                    with _opened(file) as database:
                        compare(database, _relation(model), batch.expect.rows, at)

    def manifest(self, variables: dict[str, Any]) -> Manifest:
        """The project as these vars make it, with all its tables in the one database of a case."""
        key = json.dumps(variables, sort_keys=True, default=str)
        if key not in self.manifests:
            with TemporaryDirectory() as folder:
                result = self._invoke(["parse"], variables, Path(folder, f"{_NAME}.duckdb"))
            if not isinstance(result.result, Manifest):
                raise CaseError(f"dbt cannot parse {self.directory}: {result.exception}")
            for source in result.result.sources.values():
                # where dbt-duckdb would read it instead of its table
                for place in (source.meta, source.config.extra):
                    place.pop("external_location", None)
                    place.pop("plugin", None)
            for node in (*result.result.nodes.values(), *result.result.sources.values()):
                node.database = _NAME
            self.manifests[key] = result.result
        return self.manifests[key]

    def _invoke(
        self,
        command: list[str],
        variables: dict[str, Any],
        file: Path,
        manifest: Manifest | None = None,
    ) -> dbtRunnerResult:
        output = {"type": "duckdb", "path": str(file), "schema": "main", "threads": 1}
        output |= {"settings": {"TimeZone": "UTC"}}
        profile = {_NAME: {"target": _NAME, "outputs": {_NAME: output}}}
        (file.parent / "profiles.yml").write_text(json.dumps(profile), "utf-8")
        command += ["--project-dir", str(self.directory), "--profiles-dir", str(file.parent)]
        command += ["--profile", _NAME, "--vars", json.dumps(variables, default=str)]
        command += ["--target-path", str(file.parent / "target"), "--no-write-json"]
        command += ["--log-path", str(file.parent / "logs"), "--no-send-anonymous-usage-stats"]
        command += ["--log-level", "none", "--log-level-file", "none"]
        try:
            return dbtRunner(manifest).invoke(command)
        finally:
            # dbt would keep the file locked for as long as the process lives
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(str(file))
    database.execute("set TimeZone = 'UTC'")
    return database


def _resolved(case: Case, manifest: Manifest) -> tuple[Node, dict[str, Node], list[str]]:
    """The model, the inputs as the case spells them, and what dbt has to build of the project."""
    model = _found(f"ref('{case.model}')", manifest)
    inputs = {given.input: _found(given.input, manifest) for given in case.batches[0].given}
    unread = {node.unique_id: spelling for spelling, node in inputs.items()}
    built, waiting = set(unread), [model]
    selection = []
    while waiting:
        node = waiting.pop()
        selection.append(f"fqn:{'.'.join(node.fqn)}")
        for name in node.depends_on_nodes:
            unread.pop(name, None)
            if name in manifest.sources and name not in built:
                spelling = "source('{0.source_name}', '{0.name}')".format(manifest.sources[name])
                raise CaseError(f"batch 1 has to give rows of {spelling}, which {node.name} reads")
            if name in manifest.nodes and name not in built:
                built.add(name)
                waiting.append(manifest.nodes[name])
    if unread:
        raise CaseError(f"{case.model} does not read {', '.join(sorted(unread.values()))}")
    return model, inputs, selection


def _found(spelling: str, manifest: Manifest) -> Node:
    """The node that `ref(...)` or `source(...)` names."""
    call = re.fullmatch(r"\s*(ref|source)\s*\((.+)\)\s*", spelling)
    found: list[Node] = []
    if call:
        try:
            names = ast.literal_eval(f"({call[2]},)")
        except (SyntaxError, ValueError):
            names = ()
        if call[1] == "source":
            found += [s for s in manifest.sources.values() if (s.source_name, s.name) == names]
        else:
            tables = [n for n in manifest.nodes.values() if n.is_refable]
            found += [n for n in tables if names in ((n.name,), (n.package_name, n.name))]
    if len(found) != 1:
        raise CaseError(
            f"{spelling} names {len(found)} tables of the project and has to name one:"
            " ref('model'), ref('package', 'model') or source('source', 'table')"
        )
    if getattr(found[0].config, "materialized", "") == "ephemeral":
        raise CaseError(f"{spelling} is ephemeral, so it has no table")
    return found[0]


def _relation(node: Node) -> tuple[str, str]:
    return node.schema, node.identifier


def _why(result: dbtRunnerResult) -> str:
    if not isinstance(result.result, RunExecutionResult):
        return str(result.exception)
    failed = [node for node in result.result.results if node.status in ("error", "fail")]
    return "\n".join(f"{node.node.name}: {node.message}" for node in failed)
