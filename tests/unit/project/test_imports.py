"""A test reads its own folder and the kit: what two folders need has one place, `tests/kit`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def imported(source: str) -> Iterator[str]:
    """Modules that `source` imports, each name of `from x import y` as a module too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def strangers(path: Path, source: str) -> set[str]:
    """What the file at `path` of `tests` imports of `tests` and may not."""
    own = ".".join(path.parent.parts)
    found = set()
    for name in imported(source):
        *folder, module = name.split(".")[: len(path.parts)]
        is_of_kit = name.startswith("tests.kit.")
        is_own = (
            ".".join(folder) == own
            and not module.startswith("test_")
            and not (ROOT / path.parent / module).is_dir()
        )
        if name.split(".")[0] in ("tests", "") and not is_of_kit and not is_own:
            found.add(name)
    return found


def test_no_test_imports_from_another_folder_or_test() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in sorted(ROOT.glob("tests/**/*.py"))
        if (wrong := strangers(path.relative_to(ROOT), path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("from tests.unit.landing.data_files import write", False),
        ("from tests.unit.landing import data_files", False),
        ("from tests.kit.landing import LandingZone", False),
        ("from ingestion.landing import ledger", False),
        ("from tests.unit.landing.test_ledger import fold", True),
        ("from tests.unit.landing import test_ledger", True),
        ("import tests.unit.landing.test_ledger", True),
        ("from tests.unit.commands.conftest import settings", True),
        ("from tests.conftest import kafka", True),
        ("from .test_ledger import fold", True),
    ],
)
def test_the_rule_sees_each_way_to_break_it(line: str, is_wrong: bool) -> None:
    assert bool(strangers(Path("tests/unit/landing/test_plan.py"), line)) is is_wrong


def test_a_folder_below_is_another_folder() -> None:
    line = "from tests.unit.landing.data_files import write"
    assert strangers(Path("tests/unit/test_declarations.py"), line)
