"""The steps of the Dockerfile, run as they are, in a folder instead of an image."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path, PurePath

import pytest

from tests.infra.workflows.mutants import MUTANTS, planted
from tests.kit.command_line import commands

ROOT = Path(__file__).resolve().parents[3]
# Where what the image is made by is read: a test of the tests has it elsewhere.
IMAGE = ROOT
# Kept from run to run: installing the packages again takes most of a minute.
PREFIX = ROOT / "data" / "image"


def dockerfile() -> str:
    return (IMAGE / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.+)$", dockerfile(), re.MULTILINE)


def rules() -> list[str]:
    lines = (IMAGE / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_let_in(path: PurePath) -> bool:
    """Whether `.dockerignore` lets a file in: the last rule counts that names it or a folder."""
    let_in = True
    for rule in rules():
        pattern = rule.removeprefix("!")
        anywhere = pattern.startswith("**/")
        named = (path, *path.parents[:-1])
        if any(
            fnmatch(place.name, pattern[3:])
            if anywhere
            else len(place.parts) == len(PurePath(pattern).parts) and place.match(pattern)
            for place in named
        ):
            let_in = rule.startswith("!")
    return let_in


def taken() -> set[str]:
    return {rule[1:] for rule in rules() if rule.startswith("!")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's folder: exactly what `.dockerignore` lets in."""
    folder = tmp_path_factory.mktemp("image")
    for name in taken():
        start = ROOT / name
        for file in [start] if start.is_file() else start.rglob("*"):
            place = file.relative_to(ROOT)
            if file.is_file() and is_let_in(place):
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, folder / place)
    return folder


@pytest.fixture(scope="module")
def image(project: Path) -> dict[str, str]:
    """Run the two installing steps; the environment in which what is in the image runs."""
    places = {
        "/build/install_packages.sh": "infra/image/install_packages.sh",
        "/build/image.txt": "requirements/image.txt",
        "/opt/python": str(PREFIX),
        "/opt/lakehouse": str(project),
    }
    for step in instructions("RUN")[:2]:
        words = [places.get(word, word) for word in shlex.split(step)]
        subprocess.run(words, cwd=project, check=True, env=search_path(Path(sys.executable).parent))
    settings = dict(pair.split("=", 1) for pair in shlex.split(instructions("ENV")[0]))
    return {
        **search_path(PREFIX / "bin"),
        "PYTHONDONTWRITEBYTECODE": settings["PYTHONDONTWRITEBYTECODE"],
        "ANSIBLE_LOCAL_TEMP": settings["ANSIBLE_LOCAL_TEMP"],
        "ANSIBLE_CONFIG": settings["ANSIBLE_CONFIG"].replace("/opt/lakehouse", str(project)),
    }


def search_path(first: Path) -> dict[str, str]:
    return {"PATH": f"{first}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": os.environ["HOME"]}


def run(image: dict[str, str], project: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        words, cwd=project, env=image, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_everything_that_a_task_starts_is_in_the_image(
    image: dict[str, str], project: Path
) -> None:
    assert instructions("RUN")[-1] == '["infra/image/check.sh"]'
    code, said = run(image, project, "infra/image/check.sh")
    assert code == 0, said


# Each as if it were typed, in one process: most of a start is imports.
HELPS = """
import json, sys
from lakehouse.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["lakehouse", *words, "--help"]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
"""


def test_every_command_helps_in_the_image(image: dict[str, str], project: Path) -> None:
    names = [name.split() for name, _ in commands()]
    code, said = run(image, project, "python", "-c", HELPS, json.dumps(names))
    assert code == 0, said
    assert said.count("Usage: lakehouse") == len(names)
    assert ["doctor"] in names


@pytest.mark.parametrize(
    ("command", "environment", "ends"),
    [
        pytest.param("doctor", {}, (3, "Java: this needs the Python package pyspark"), id="doctor"),
        pytest.param(
            "doctor",
            {"LAKEHOUSE_ENVIRONMENT": "prod"},
            (3, "warehouse: LAKEHOUSE_REDSHIFT_HOST is not set"),
            id="doctor of Redshift",
        ),
        pytest.param("status", {}, (1, "this needs the Python package duckdb"), id="status"),
        pytest.param(
            "status",
            {"LAKEHOUSE_ENVIRONMENT": "prod", "LAKEHOUSE_REDSHIFT_HOST": "127.0.0.1"}
            | {"LAKEHOUSE_REDSHIFT_PORT": "1", "LAKEHOUSE_REDSHIFT_METHOD": "database"},
            (1, "warehouse: no connection to Redshift at 127.0.0.1:1"),
            id="status of Redshift",
        ),
        pytest.param(
            "compare",
            {"LAKEHOUSE_REDSHIFT_HOST": "127.0.0.1", "LAKEHOUSE_REDSHIFT_METHOD": "database"},
            (1, "this needs the Python package duckdb"),
            id="compare",
        ),
    ],
)
def test_what_a_command_lacks_in_the_image_is_a_sentence(
    image: dict[str, str],
    project: Path,
    command: str,
    environment: dict[str, str],
    ends: tuple[int, str],
) -> None:
    nowhere = {"LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    code, said = run({**image, **nowhere, **environment}, project, "lakehouse", command)
    assert "Traceback" not in said
    assert ends[1] in said
    assert code == ends[0], said


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
    assert instructions("FROM") == [
        "python:${PYTHON}@${PYTHON_DIGEST} AS packages",
        "python:${PYTHON}@${PYTHON_DIGEST}",
    ]
    assert "PYTHON_DIGEST" in instructions("ARG"), "a default would be of no Python in particular"
    assert len(instructions("USER")) == 1
    [user] = instructions("USER")
    assert int(user.partition(":")[0]) > 0
    assert dockerfile().index("\nUSER ") < dockerfile().index("\nCMD ")
    assert not instructions("ADD"), "what is fetched is in no lock file"
    install = (IMAGE / "infra/image/install_packages.sh").read_text("utf-8")
    assert "--no-deps --require-hashes --only-binary :all: --requirement" in install
    for line in (ROOT / "requirements/image.txt").read_text().splitlines():
        if line and line[0] not in "# ":
            assert re.match(r"[\w.-]+(\[\w+\])?==[\w.]+ ", line), line
    assert "pyspark" not in (ROOT / "requirements/image.txt").read_text()


@pytest.mark.parametrize("digest", ["", "3.11.16-slim-bookworm", "sha256:0"])
def test_no_image_is_built_on_a_base_without_its_digest(tmp_path: Path, digest: str) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'no image: not found'\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    built = subprocess.run(
        [ROOT / "lakehouse/delivery/build_image.sh", "ghcr.io/shop/lakehouse", "v1"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON_DIGEST": digest},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 1
    assert f"the digest of the Dockerfile's base image, is '{digest}'" in built.stderr
    assert "docs/runbooks/deployment.md, step 2" in built.stderr


def test_a_task_may_write_where_its_volume_is() -> None:
    """Fargate's bind mounts are root's and 0755, but for a path that the image declares: that one
    has the owner it has in the image (Amazon ECS Developer Guide, "Use bind mounts")."""
    terraform = (ROOT / "infra/terraform/modules/orchestration/main.tf").read_text()
    mounted = re.findall(r'containerPath = "([^"]+)"', terraform)
    (user,) = instructions("USER")
    assert mounted
    assert [json.loads(volume) for volume in instructions("VOLUME")] == [mounted]
    owned = [json.loads(step) for step in instructions("RUN") if step.startswith('["chown"')]
    assert owned == [["chown", user, *mounted]]
    # What is changed after the declaration is thrown away.
    assert dockerfile().index('\nRUN ["chown"') < dockerfile().index("\nVOLUME ")
    settings = dict(pair.split("=", 1) for pair in shlex.split(instructions("ENV")[0]))
    assert {settings[name].split("/")[1] for name in ("HOME", "DBT_TARGET_PATH")} == {"tmp"}


def test_nothing_private_gets_into_the_image() -> None:
    """`.dockerignore` lists what goes in; everything else stays out."""
    assert rules()[0] == "*"
    assert taken().isdisjoint({".git", ".github", ".venv", "data", "tests", "playground"})
    assert not [name for name in taken() if not (ROOT / name).exists()]
    for name in (".env", "docs/settings.md", "infra/terraform/main.tf", "tests/unit/__init__.py"):
        assert not is_let_in(PurePath(name)), name
    assert is_let_in(PurePath("tests/data/README.md"))


@pytest.mark.parametrize("mutant", MUTANTS["image"], ids=lambda mutant: mutant["is"])
def test_a_fault_is_noticed(
    mutant: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(mutant, tmp_path)
    monkeypatch.setitem(globals(), "IMAGE", tmp_path)
    with pytest.raises((AssertionError, KeyError)):
        _look()


def _look() -> None:
    test_the_image_is_slim_pinned_and_not_root()
    test_a_task_may_write_where_its_volume_is()
    test_nothing_private_gets_into_the_image()
