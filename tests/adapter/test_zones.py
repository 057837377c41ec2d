"""dbt's own test suites give the same with the package installed as without it, SQL included.

Many of them fail on DuckDB, because they are written for PostgreSQL: alike in both runs, too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dbt.tests.adapter
import pytest

ROOT = Path(__file__).parents[2]
SUITES = Path(*dbt.tests.adapter.__path__)
ZONES = sorted(
    {
        path.relative_to(SUITES).parts[0]
        for path in SUITES.glob("*/**/*.py")
        if "def test_" in path.read_text("utf-8")
    }
)
_SUITE = """
import importlib, inspect
for module in {modules}:
    for name, found in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        has_tests = any(each.startswith("test_") for each in dir(found))
        if found.__module__ == module and has_tests:
            assert "Test" + name not in globals(), name
            globals()["Test" + name] = type(name, (found,), {{}})
"""


def notes(zone: str, folder: Path, installed: str) -> dict[str, Any]:
    """Outcome and SQL of each test of the zone."""
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("zones_conftest.py"), folder / "conftest.py")
    files = sorted((SUITES / zone).rglob("*.py"))
    modules = [
        f"dbt.tests.adapter.{'.'.join(f.relative_to(SUITES).with_suffix('').parts)}" for f in files
    ]
    (folder / "test_zone.py").write_text(_SUITE.format(modules=modules), "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\ntimeout = 300\n", "utf-8")
    file = folder / "notes.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ZONES_INSTALLED": installed,
            "ZONES_NOTES": str(file),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (folder / "output.txt").write_text(done.stdout, "utf-8")
    assert file.exists(), done.stdout[-3000:]
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_gives_the_same(zone: str, tmp_path: Path) -> None:
    stock = notes(zone, tmp_path / "stock", "no")
    installed = notes(zone, tmp_path / "installed", "yes")
    assert stock, "the zone has no tests"
    assert set(installed) == set(stock)
    differing = [name for name in stock if installed[name] != stock[name]]
    assert not differing, [
        (name, set(installed[name]["sql"]) ^ set(stock[name]["sql"]), installed[name]["outcomes"])
        for name in differing[:3]
    ]
