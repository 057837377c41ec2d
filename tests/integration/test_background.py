"""What `make up`, `make down` and an accident do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse.published import published
from playground.background import Background

ROOT = Path(__file__).parents[2]
Playground = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    """Runs `python -m playground <command>` on a folder of the test's own."""

    own = {
        "LAKEHOUSE_LANDING": str(tmp_path / "landing"),
        "LAKEHOUSE_CHECKPOINTS": str(tmp_path / "checkpoints"),
        "LAKEHOUSE_DUCKDB": str(tmp_path / "warehouse.duckdb"),
    }

    def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "playground", command, "--directory", str(tmp_path), *arguments],
            cwd=ROOT,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )

    yield run
    run("down")


def wait_until_nothing_runs(directory: Path) -> None:
    deadline = time.monotonic() + 30
    while str(directory) in (listed := processes()):
        assert time.monotonic() < deadline, listed
        time.sleep(0.1)


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, none while there is no such file."""
    if not file.exists():
        return []
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_up_status_and_down_each_twice(playground: Playground, tmp_path: Path) -> None:
    first = playground("up", "--rate", "5")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "source " in first.stdout
    background = Background(tmp_path)
    assert background.environment_file.stat().st_mode & 0o077 == 0, "it holds a password"
    assert "up already" in playground("up").stdout
    addresses = [address for _, address, _ in background.services()]
    assert all(address in playground("status").stdout for address in addresses)
    is_built = "select count(*) > 0 from marts.fct_orders"
    deadline = time.monotonic() + 300
    while rows(published(tmp_path / "warehouse.duckdb"), is_built) != [(True,)]:
        assert time.monotonic() < deadline, (tmp_path / "logs/run.log").read_text()
        time.sleep(0.5)

    assert playground("down").returncode == 0
    assert str(tmp_path) not in processes()
    assert playground("down").returncode == 0
    assert playground("status").returncode == 1


@pytest.mark.long
def test_what_was_up_goes_on_and_an_accident_leaves_nothing(
    playground: Playground, tmp_path: Path
) -> None:
    for _ in range(2):
        assert playground("up", "--rate", "5", "--by-hand").returncode == 0
        os.kill(int((tmp_path / "lock").read_text()), signal.SIGKILL)
        wait_until_nothing_runs(tmp_path)
        assert not Background(tmp_path).running


def test_what_stops_the_start_is_shown(playground: Playground, tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("in the way")
    failed = playground("up")
    assert failed.returncode == 1
    assert "the playground did not start" in failed.stderr
    assert str(tmp_path / "kafka") in failed.stderr
    wait_until_nothing_runs(tmp_path)
