"""Every public macro is described beside its file, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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
