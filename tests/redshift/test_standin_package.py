"""The stand-in, installed elsewhere: it brings its SQL along and needs nothing of this project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "packages/redshift_standin"
MOST_LINES = 3500
LOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from redshift_standin import server
print(json.dumps([server.__file__, server._SHIMS.is_file(), sorted(sys.modules)]))
"""


def test_it_works_where_only_it_is_installed(tmp_path: Path) -> None:
    # a copy, because the build leaves files beside the sources
    source = shutil.copytree(PACKAGE, tmp_path / "source", ignore=shutil.ignore_patterns("*.egg-*"))
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(place)]
    subprocess.run([*pip, *options, str(source)], check=True)
    looked = subprocess.run(
        [sys.executable, "-I", "-c", LOOK, str(place)], check=True, capture_output=True, text=True
    )
    file, has_functions, modules = json.loads(looked.stdout)
    assert Path(file).is_relative_to(place)
    assert has_functions
    assert not {"ingestion", "lakehouse", "playground", "tests"} & set(modules)


def test_it_is_no_copy_of_redshift() -> None:
    """What the project does not send may stay refused: code and tables keep within their bounds."""
    files = [file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".sql", ".yml")]
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    assert 1000 < lines <= MOST_LINES
