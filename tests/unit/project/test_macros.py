"""Every public macro is described beside its file, and nothing else is; no circles of folders."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from dbt.clients.jinja_static import statically_extract_macro_calls

_ROOT = Path(__file__).parents[3]
_FOLDERS = [
    *sorted(path for path in (_ROOT / "macros").iterdir() if path.is_dir()),
    _ROOT / "packages/cdc_history/macros",
]
_DEFINITION = re.compile(r"{%-?\s*macro\s+(\w+)\(")


def _public(name: str) -> bool:
    # engine__name is the body of a dispatched macro, _name a private helper
    return not name.startswith("_") and "__" not in name


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda folder: str(folder.relative_to(_ROOT)))
def test_public_macros_are_described(folder: Path) -> None:
    defined = {
        name
        for file in folder.glob("**/*.sql")
        for name in _DEFINITION.findall(file.read_text(encoding="utf-8"))
        if _public(name)
    }
    document = yaml.safe_load((folder / "_macros.yml").read_text(encoding="utf-8"))
    described = {macro["name"]: macro.get("description", "") for macro in document["macros"]}
    assert set(described) == defined
    assert all(described.values())


def test_the_folders_form_no_circle() -> None:
    texts = {file: file.read_text("utf-8") for file in (_ROOT / "macros").glob("*/*.sql")}
    homes = {
        name: file.parent.name for file, text in texts.items() for name in _DEFINITION.findall(text)
    }
    called: dict[str, set[str]] = {folder: set() for folder in homes.values()}
    for file, text in texts.items():
        for name in statically_extract_macro_calls(text, {}):
            called[file.parent.name].add(homes.get(name, file.parent.name))
    # a macro of a subject's own is no circle
    TopologicalSorter({folder: found - {folder} for folder, found in called.items()}).prepare()
    assert called["marts"] == {"marts"} and called["rebuild"] > {"rebuild", "log"}
