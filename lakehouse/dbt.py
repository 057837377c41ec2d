"""dbt in this process: a start and a parse of it cost seconds, what it then runs tenths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.errors import TerminalError
from lakehouse.console import ROOT


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


def in_project() -> list[str]:
    """The options by which dbt finds the project where it is not the current folder."""
    if Path("dbt_project.yml").exists():
        return []
    return ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]


def let_go() -> None:
    """Free DuckDB's file, which its adapter keeps locked; others keep nothing open."""
    from dbt.adapters.factory import FACTORY

    for adapter in FACTORY.adapters.values():
        getattr(adapter.ConnectionManager, "close_all_connections", lambda: None)()
