"""Errors that are planted in macros: a proof that does not see one is none."""

from __future__ import annotations

from dataclasses import dataclass

from dbt.contracts.graph.manifest import Manifest

from ingestion.settings import ConnectorName


@dataclass(frozen=True)
class Mutant:
    """`old` in `file` becomes `new`; logs of `connector` show it."""

    name: str
    file: str
    old: str
    new: str
    connector: ConnectorName = "postgresql"
    described: bool = False
    """Whether it takes tables whose images lack what their declarations say."""


def with_error(manifest: Manifest, mutant: Mutant) -> Manifest:
    """The parsed project with the error in its macros."""
    changed = manifest.deepcopy()
    hit = [
        macro
        for macro in changed.macros.values()
        if mutant.file
        in (macro.original_file_path, f"packages/{macro.package_name}/{macro.original_file_path}")
        and mutant.old in macro.macro_sql
    ]
    assert hit, f"{mutant.file} no longer says: {mutant.old}"
    for macro in hit:
        macro.macro_sql = macro.macro_sql.replace(mutant.old, mutant.new)
    return changed
