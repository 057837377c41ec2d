"""The steps of the Dockerfile, run as they are, in a folder instead of an image."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
# Kept from run to run: installing the packages again takes most of a minute.
PREFIX = ROOT / "data" / "image"


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def image() -> dict[str, str]:
    """Run the two installing steps; the environment in which the third one runs."""
    places = {
        "/build/install_packages.sh": "infra/image/install_packages.sh",
        "/build/image.txt": "requirements/image.txt",
        "/opt/python": str(PREFIX),
        "/opt/lakehouse": str(ROOT),
    }
    for step in instructions("RUN")[:2]:
        words = [places.get(word, word) for word in shlex.split(step)]
        subprocess.run(words, cwd=ROOT, check=True, env=search_path(Path(sys.executable).parent))
    return search_path(PREFIX / "bin")


def search_path(first: Path) -> dict[str, str]:
    return {"PATH": f"{first}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": os.environ["HOME"]}


def test_everything_that_a_task_starts_is_in_the_image(image: dict[str, str]) -> None:
    (step,) = instructions("RUN")[2:]
    assert step == '["infra/image/check.sh"]'
    settings = dict(pair.split("=", 1) for pair in shlex.split(instructions("ENV")[0]))
    checked = subprocess.run(
        ["infra/image/check.sh"],
        cwd=ROOT,
        env={
            **image,
            "PYTHONDONTWRITEBYTECODE": settings["PYTHONDONTWRITEBYTECODE"],
            "ANSIBLE_LOCAL_TEMP": settings["ANSIBLE_LOCAL_TEMP"],
            "ANSIBLE_CONFIG": settings["ANSIBLE_CONFIG"].replace("/opt/lakehouse", str(ROOT)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_installing_again_does_nothing(image: dict[str, str]) -> None:
    before = (PREFIX / "installed.sha256").stat().st_mtime_ns
    again = subprocess.run(
        ["infra/image/install_packages.sh", PREFIX, "requirements/image.txt"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert again.returncode == 0
    assert (PREFIX / "installed.sha256").stat().st_mtime_ns == before


def test_the_image_is_slim_pinned_and_not_root() -> None:
    assert instructions("ARG")[0] == "PYTHON=3.11.16-slim-bookworm"
    assert instructions("FROM") == ["python:${PYTHON} AS packages", "python:${PYTHON}"]
    (user,) = instructions("USER")
    assert int(user.partition(":")[0]) > 0
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nCMD ")
    for line in (ROOT / "requirements/image.txt").read_text().splitlines():
        if line and line[0] not in "# ":
            assert re.match(r"[\w.-]+(\[\w+\])?==[\w.]+ ", line), line
    assert "pyspark" not in (ROOT / "requirements/image.txt").read_text()


def test_nothing_private_gets_into_the_image() -> None:
    """`.dockerignore` lists what goes in; everything else stays out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    assert taken.isdisjoint({".git", ".github", ".venv", "data", "tests", "playground"})
    missing = [name for name in taken if not (ROOT / name).exists()]
    assert not missing
    assert not [rule for rule in rules if fnmatch(".env", rule.removeprefix("!")) and rule != "*"]
