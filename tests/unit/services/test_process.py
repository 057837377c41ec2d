"""A server's process: what it says when it fails, and that nothing outlives its starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from playground.services.errors import ServiceError
from playground.services.process import Process, free_port, listens

STARTER = """
import signal, sys, time
from pathlib import Path
from playground.services.process import Process
# A shell ignores it in what it starts in the background, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
process = Process("sleeper", ["sleep", sys.argv[1]], log=Path(sys.argv[2]))
process.start()
print("started", flush=True)
try:
    time.sleep(60)
finally:
    process.stop()
"""


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was never met"
        time.sleep(0.02)


def running(argument: str) -> bool:
    """Whether a process with this argument is alive (guards and servers both carry it)."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return any(f"sleep {argument}" in line for line in listed.stdout.splitlines())


def a_duration() -> str:
    """A duration for `sleep` that no other process has, to recognise ours by."""
    return f"9{os.getpid()}.{time.monotonic_ns()}"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name
)
def test_nothing_outlives_the_starter(number: signal.Signals, tmp_path: Path) -> None:
    mark = a_duration()
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, mark, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        wait_until(lambda: running(mark))
        starter.send_signal(number)
    wait_until(lambda: not running(mark))


def test_a_server_that_ignores_its_stop_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    mark = a_duration()
    stubborn = Process(
        "stubborn",
        ["sh", "-c", f"trap '' TERM; echo ready; sleep {mark} & wait; sleep {mark}"],
        log=tmp_path / "log",
        grace_seconds=0.2,
    )
    stubborn.start()
    stubborn.wait_until(lambda: "ready" in (tmp_path / "log").read_text(), seconds=10)
    stubborn.stop()
    assert not stubborn.running
    wait_until(lambda: not running(mark))


@pytest.mark.parametrize(
    ("end", "last_words"),
    [
        pytest.param(Process.kill, "ready\n", id="killed"),
        pytest.param(Process.stop, "ready\nstopped in order\n", id="stopped"),
    ],
)
def test_a_kill_is_not_a_stop(
    end: Callable[[Process], None], last_words: str, tmp_path: Path
) -> None:
    mark = a_duration()
    script = f"trap 'echo stopped in order; exit' TERM; sleep {mark} & echo ready; wait"
    log = tmp_path / "log"
    server = Process("server", ["sh", "-c", script], log=log)
    server.start()
    server.wait_until(lambda: log.read_text() == "ready\n", seconds=10)
    end(server)
    assert not server.running
    assert log.read_text() == last_words
    wait_until(lambda: not running(mark))


def test_a_server_that_ends_while_it_starts_shows_its_log_and_where_it_is(tmp_path: Path) -> None:
    server = Process("server", ["sh", "-c", "echo no such disk; exit 3"], log=tmp_path / "x.log")
    server.start()
    with pytest.raises(ServiceError, match="server has ended") as failure:
        server.wait_until(lambda: False, seconds=10)
    assert "no such disk" in str(failure.value)
    assert str(tmp_path / "x.log") in str(failure.value)


def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    server = Process("server", ["sleep", "60"], log=tmp_path / "log")
    server.start()
    with pytest.raises(ServiceError, match="not ready after"):
        server.wait_until(lambda: False, seconds=0.1)
    server.stop()


def test_free_ports_are_free_and_below_those_of_outgoing_connections() -> None:
    ports = {free_port() for _ in range(20)}
    assert all(20000 <= port < 32000 and not listens(port) for port in ports)
