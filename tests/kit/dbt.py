"""dbt in this process, on any target.

dbt's start and parse cost seconds, its nodes tenths: a resident `dbtRunner` pays for the start
once, and a project that is parsed once serves all invocations.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from dbt_common.tests import enable_test_caching

from lakehouse.dbt import let_go

ROOT = Path(__file__).parents[2]
# As in dbt's own tests: macros, which are the same texts in each copy of a project and for each
# target, are read once in a process.
enable_test_caching()
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
# What dbt parsed, by project, target and LAKEHOUSE_SOURCE. It holds the database's name, which is
# one for all stand-ins and all warehouse files; where landing is, a log finds when it is built.
_PARSED: dict[tuple[Path, str, str | None], Manifest] = {}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with `values`, put back at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class Dbt:
    """A project on a target, with the environment that both read; its own files go to `folder`."""

    project: Path
    folder: Path
    settings: Mapping[str, str]
    target: str = "local"
    manifest: Manifest | None = None
    """The parsed project, where it need not be parsed again."""
    said: list[str] = field(default_factory=list, compare=False)
    """What dbt printed last."""

    def parse(self, *arguments: str) -> Manifest:
        """Parse the project."""
        result = self.invoke("parse", *arguments)
        assert isinstance(result.result, Manifest), explain(result)
        return result.result

    def parsed(self) -> Dbt:
        """This on the project as it was parsed first, which is done once."""
        key = self.project, self.target, self.settings.get("LAKEHOUSE_SOURCE")
        if key not in _PARSED:
            _PARSED[key] = replace(self, manifest=None).parse()
        # a copy, because dbt writes into its nodes
        return replace(self, manifest=copy.deepcopy(_PARSED[key]))

    def invoke(
        self,
        *arguments: str,
        callbacks: Sequence[Callable[[EventMsg], None]] = (),
        keep_results: bool = False,
    ) -> dbtRunnerResult:
        """Run a dbt command and give its result, failed or not.

        `keep_results` leaves dbt's files in the target folder, which `dbt retry` starts from.
        """
        self.said.clear()

        def listen(event: Any) -> None:
            if event.info.level in ("info", "warn", "error"):
                self.said.append(event.info.msg)

        options = [
            *("--target", self.target),
            *("--project-dir", str(self.project), "--profiles-dir", str(self.project)),
            *("--target-path", str(self.folder / "target")),
            *("--log-path", str(self.folder / "logs")),
            *("--log-level", "none", "--log-level-file", "none"),
            "--write-json" if keep_results else "--no-write-json",
        ]
        with environment(self.settings):
            try:
                runner = dbtRunner(self.manifest, callbacks=[listen, *callbacks])
                return runner.invoke([*arguments, *options])
            finally:
                let_go()

    def run(self, *arguments: str, callbacks: Sequence[Callable[[EventMsg], None]] = ()) -> None:
        """Run a dbt command; AssertionError with dbt's message when it fails."""
        result = self.invoke(*arguments, callbacks=callbacks)
        assert result.success, "\n".join([explain(result), *self.said[-5:]])

    def build(self, *arguments: str, callbacks: Sequence[Callable[[EventMsg], None]] = ()) -> None:
        """`dbt build` without the tests."""
        self.run("build", *WITHOUT_TESTS, *arguments, callbacks=callbacks)


def explain(result: dbtRunnerResult) -> str:
    """Why an invocation failed, in dbt's words."""
    if result.exception is not None:
        return str(result.exception)
    if not isinstance(result.result, RunExecutionResult):
        return str(result.result)
    failed = [node for node in result.result.results if node.status in ("error", "fail")]
    return "\n".join(f"{node.node.name}: {node.message}" for node in failed)
