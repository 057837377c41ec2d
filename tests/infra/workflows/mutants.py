"""Faults in the workflows and in what makes the image; each must be noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tests.infra.workflows.runner import WORKFLOWS

_ALL = yaml.safe_load(Path(__file__).with_name("mutants.yml").read_text("utf-8"))
# By what must notice them.
MUTANTS = {
    "workflows": [mutant for mutant in _ALL if mutant["file"].startswith(".github")],
    "image": [mutant for mutant in _ALL if not mutant["file"].startswith(".github")],
}


def planted(mutant: dict[str, str], folder: Path) -> None:
    """Copy what is looked at into `folder`, with the fault."""
    for name in (".github", "Dockerfile", ".dockerignore", "infra/image"):
        source, copy = WORKFLOWS.parents[1] / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    file = folder / mutant["file"]
    text = file.read_text("utf-8")
    assert mutant["old"] in text
    file.write_text(text.replace(mutant["old"], mutant["new"]), "utf-8")
