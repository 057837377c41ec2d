"""Errors that are planted in macros and models: a proof that does not see one is none."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from dbt.contracts.graph.manifest import Manifest
from dbt.contracts.graph.nodes import ModelNode


@dataclass(frozen=True)
class Planted:
    """`old` in `file` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


def with_error(manifest: Manifest, error: Planted) -> Manifest:
    """The parsed project with the error in a macro or a model."""
    changed = copy.deepcopy(manifest)
    hits = 0
    for macro in changed.macros.values():
        if error.old in macro.macro_sql and error.file in (
            macro.original_file_path,
            f"packages/{macro.package_name}/{macro.original_file_path}",
        ):
            macro.macro_sql = macro.macro_sql.replace(error.old, error.new)
            hits += 1
    for node in changed.nodes.values():
        if isinstance(node, ModelNode) and node.original_file_path == error.file:
            hits += node.raw_code.count(error.old)
            node.raw_code = node.raw_code.replace(error.old, error.new)
    assert hits, f"{error.file} no longer says: {error.old}"
    return changed
