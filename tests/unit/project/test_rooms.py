"""The rooms of the house: every folder has its line in the README, and ingestion stays thin."""

from __future__ import annotations

import re

from lakehouse.commands import init
from tests.unit.project.files import ROOT, project_files

MOST_LINES_OF_INGESTION = 4500


def test_the_readme_has_a_line_for_each_folder() -> None:
    folders = {path.parts[0] for path in project_files() if len(path.parts) > 1}
    rows = re.findall(r"^\| (`.+?`) \|", (ROOT / "README.md").read_text("utf-8"), re.M)
    told = set(re.findall(r"`(\w+)/`", " ".join(rows)))
    assert told == {folder for folder in folders if not folder.startswith(".")}


def test_ingestion_is_thin() -> None:
    files = [
        ROOT / path
        for path in project_files()
        if path.parts[0] == "ingestion" and path.suffix == ".py"
    ]
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    assert 1000 < lines <= MOST_LINES_OF_INGESTION


def test_what_a_new_project_leaves_out_is_there() -> None:
    files = [path.as_posix() for path in project_files()]
    for pattern in (*init._SHOP, init._NAMED):
        parts = pattern.split("|") if pattern.startswith(r"\.ci") else [pattern]
        for part in parts:
            assert any(re.match(part, file) for file in files), part
